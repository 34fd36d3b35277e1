"""Builds the compiled ops for the TensorFlow of the Python that runs this.

    python custom_ops/build.py [--cuda ARCH] [--sanitize] [--output DIR] [--force]

The library is named after TensorFlow's minor version, because a library built for one
does not load in another: `tfmask/_lib/shape_aware_roi_align-tf2.21.so`. Nothing is done
where it is newer than its sources. The compiler is $CXX, or g++.

GPU kernels are compiled where there are nvcc and a GPU, for that GPU; `--cuda 90`
compiles them for compute capability 9.0 on a machine without one, `--cuda off` not at
all.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "shape_aware_roi_align"
OUTPUT = ROOT.parent / "tfmask" / "_lib"
CPU_SOURCES = ("op.cc", "kernel_cpu.cc", "kernel_cpu_features.cc")
GPU_SOURCES = ("op_gpu.cc", "kernel_gpu.cu")
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# Under UBSan, GCC takes constant expressions of TensorFlow's headers for invalid ones.
ADAPTER_SANITIZERS = ["-fsanitize=address"]
ASK_TENSORFLOW = """
import json, tensorflow as tf
print(json.dumps({
    "version": tf.__version__,
    "compile": tf.sysconfig.get_compile_flags(),
    "link": tf.sysconfig.get_link_flags(),
}))
"""


class BuildError(RuntimeError):
    """The library cannot be built; the message says why."""


class MissingTool(BuildError):
    """There is no compiler or no TensorFlow."""


def compiler() -> str:
    """Path of the C++ compiler; raises MissingTool where there is none."""
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise MissingTool(
            f"no C++ compiler: {name} is not on the PATH; install g++ or set CXX"
        )
    return path


def ask_tensorflow() -> dict:
    """Version and flags, asked in another process: the import is slow and talks."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_TENSORFLOW], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingTool(f"{sys.executable} cannot import tensorflow: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def up_to_date(library: Path) -> bool:
    if not library.exists():
        return False
    built = library.stat().st_mtime
    return all(p.stat().st_mtime < built for p in [*SOURCES.iterdir(), Path(__file__)])


def cuda_architecture(wanted: str) -> str | None:
    """Compute capability to compile for, e.g. "90"; None: no GPU kernels."""
    if wanted == "off" or shutil.which("nvcc") is None:
        if wanted.isdigit():
            raise MissingTool(f"--cuda {wanted}: nvcc is not on the PATH")
        return None
    if wanted != "auto":
        return wanted
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True)
    lines = done.stdout.split() if done.returncode == 0 else []
    return lines[0].replace(".", "") if lines else None


def build(
    output: Path = OUTPUT,
    sanitize: bool = False,
    force: bool = False,
    cuda: str = "auto",
) -> Path:
    """Compiles and links the library.

    Args:
      output: folder of the library.
      sanitize: with AddressSanitizer and UndefinedBehaviorSanitizer.
      force: build even if the library is newer than its sources.
      cuda: "auto", "off" or a compute capability without its dot.

    Returns:
      The library's path.

    Raises:
      MissingTool: no compiler or no TensorFlow.
      BuildError: the compiler reports an error.
    """
    tensorflow = ask_tensorflow()
    minor = ".".join(tensorflow["version"].split(".")[:2])
    library = Path(output) / f"shape_aware_roi_align-tf{minor}.so"
    if not force and up_to_date(library):
        return library
    program = compiler()
    flags = ["-O1", "-g"] if sanitize else ["-O3"]
    # -Wno-psabi: vectors are never passed between functions compiled apart.
    flags += ["-fPIC", "-Wall", "-Wno-psabi", "-DNDEBUG"]
    # TensorFlow's headers are not ours to warn about.
    flags += [flag.replace("-I", "-isystem") for flag in tensorflow["compile"]]
    architecture = None if sanitize else cuda_architecture(cuda)
    sources, linker = CPU_SOURCES, [program, "-shared"]
    if architecture:
        sources, linker = sources + GPU_SOURCES, ["nvcc", "-shared"]
        flags.append("-DTFMASK_CUDA")
        # TensorFlow's own copy of the CUDA headers fits its other headers.
        flags += [
            f"{flag}/third_party/gpus/cuda/include"
            for flag in flags
            if flag.startswith("-isystem")
        ]
    device_flags = ["-O3", "-std=c++17", "-Xcompiler", "-fPIC"]
    device_flags += [f"-gencode=arch=compute_{architecture},code=sm_{architecture}"]
    device_flags += [
        f"-gencode=arch=compute_{architecture},code=compute_{architecture}"
    ]
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:

        def compile_one(name: str) -> str:
            target = str(Path(folder, f"{name}.o"))
            if name.endswith(".cu"):
                run(["nvcc", *device_flags, "-c", str(SOURCES / name), "-o", target])
                return target
            extra = ADAPTER_SANITIZERS if name == "op.cc" else SANITIZERS
            command = [program, *flags, *(extra if sanitize else [])]
            run([*command, "-c", str(SOURCES / name), "-o", target])
            return target

        with ThreadPoolExecutor() as pool:
            objects = list(pool.map(compile_one, sources))
        # Renamed when complete: a process that loads it meanwhile sees the old one.
        part = Path(folder, library.name)
        link = SANITIZERS if sanitize else []
        run([*linker, *link, *objects, "-o", str(part), *tensorflow["link"]])
        complete = library.with_name(f"{library.name}.{os.getpid()}")
        shutil.copy(part, complete)
        complete.replace(library)
    return library


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(
            f"{Path(command[0]).name} failed with exit code {done.returncode}:\n"
            f"{shlex.join(command)}\n{done.stderr}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder")
    parser.add_argument("--cuda", default="auto", metavar="ARCH", help="auto, off, 90")
    parser.add_argument("--sanitize", action="store_true", help="ASan and UBSan")
    parser.add_argument("--force", action="store_true", help="even if up to date")
    parser.add_argument(
        "--if-possible",
        action="store_true",
        help="without a compiler or TensorFlow: say so and succeed",
    )
    options = parser.parse_args()
    try:
        print(build(options.output, options.sanitize, options.force, options.cuda))
    except MissingTool as error:
        if not options.if_possible:
            sys.exit(f"custom_ops/build.py: {error}")
        print(f"compiled ops are not built, stock ops will be used: {error}")
    except BuildError as error:
        sys.exit(f"custom_ops/build.py: {error}")


if __name__ == "__main__":
    main()
