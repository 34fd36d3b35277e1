"""Builds the compiled ops for the Python that runs this and its TensorFlow.

    python custom_ops/build.py [--cuda ARCH] [--sanitize] [--output DIR] [--force]

makes four libraries in `tfmask/_lib`. `box_frame_masks.so` needs neither TensorFlow
nor Python. The others, of TensorFlow ops, are named after TensorFlow's minor version,
as `shape_aware_roi_align-tf2.21.so`, because a library built for one does not load in
another. Nothing is done where a library is newer than its sources. The compiler is
$CXX, or g++.

GPU kernels, which RoIAlign and the update of all weights have, are compiled where there
are nvcc and a GPU, for that GPU; `--cuda 90` compiles them for compute capability 9.0
on a machine without one, `--cuda off` not at all.
"""

import argparse
import functools
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
MASKS = ROOT / "box_frame_masks"
COMMON = ROOT / "common"
OUTPUT = ROOT.parent / "tfmask" / "_lib"
MASKS_SOURCES = ("box_frame_masks.cc", "bitmap.cc", "coverage.cc")
# name of the folder and of the library -> sources for the CPU, and for the GPU as well
TENSORFLOW_OPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "shape_aware_roi_align": (
        ("op.cc", "kernel_cpu.cc", "kernel_cpu_features.cc"),
        ("op_gpu.cc", "kernel_gpu.cu"),
    ),
    "deform_columns": (("op.cc", "kernel_cpu.cc"), ()),
    "momentum_update": (
        ("op.cc", "kernel_cpu.cc"),
        ("op_gpu.cc", "kernel_gpu.cu"),
    ),
}
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


@functools.cache
def ask_tensorflow() -> dict:
    """Version and flags, asked in another process: the import is slow and talks."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_TENSORFLOW], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingTool(f"{sys.executable} cannot import tensorflow: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def up_to_date(library: Path, *folders: Path) -> bool:
    if not library.exists():
        return False
    built = library.stat().st_mtime
    sources = [source for folder in folders for source in folder.iterdir()]
    return all(p.stat().st_mtime < built for p in [*sources, Path(__file__)])


def cuda_architecture(chosen: str) -> str | None:
    """Compute capability to compile for, e.g. "90"; None: no GPU kernels."""
    if chosen == "off" or shutil.which("nvcc") is None:
        if chosen.isdigit():
            raise MissingTool(f"--cuda {chosen}: nvcc is not on the PATH")
        return None
    if chosen != "auto":
        return chosen
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True)
    lines = done.stdout.split() if done.returncode == 0 else []
    return lines[0].replace(".", "") if lines else None


def build_masks(
    output: Path = OUTPUT, sanitize: bool = False, force: bool = False
) -> Path:
    """Compiles and links the box-frame masks; see `build_tensorflow_ops`."""
    library = Path(output) / "box_frame_masks.so"
    if not force and up_to_date(library, MASKS):
        return library
    program = compiler()
    flags = ["-O1", "-g", *SANITIZERS] if sanitize else ["-O3"]
    # A fused multiply-add would round otherwise than NumPy.
    flags += ["-std=c++17", "-fPIC", "-Wall", "-ffp-contract=off"]
    sources = [str(MASKS / name) for name in MASKS_SOURCES]
    with tempfile.TemporaryDirectory() as folder:
        linked = Path(folder, library.name)
        run([program, *flags, "-shared", *sources, "-o", str(linked)])
        install(linked, library)
    return library


def build_tensorflow_ops(
    name: str,
    output: Path = OUTPUT,
    sanitize: bool = False,
    force: bool = False,
    cuda: str = "auto",
) -> Path:
    """Compiles and links the ops of one folder.

    Args:
      name: of the folder, a key of TENSORFLOW_OPS.
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
    library = Path(output) / f"{name}-tf{minor}.so"
    if not force and up_to_date(library, ROOT / name, COMMON):
        return library
    program = compiler()
    flags = ["-O1", "-g"] if sanitize else ["-O3"]
    # -Wno-psabi: vectors are never passed between functions compiled apart.
    flags += ["-fPIC", "-Wall", "-Wno-psabi", "-DNDEBUG"]
    # TensorFlow's headers are not ours to warn about.
    flags += [flag.replace("-I", "-isystem") for flag in tensorflow["compile"]]
    sources, gpu_sources = TENSORFLOW_OPS[name]
    linker = [program, "-shared"]
    gpu = gpu_sources and not sanitize
    architecture = cuda_architecture(cuda) if gpu else None
    if architecture:
        sources, linker = sources + gpu_sources, ["nvcc", "-shared"]
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
    with tempfile.TemporaryDirectory() as folder:

        def compile_one(file: str) -> str:
            source, target = str(ROOT / name / file), str(Path(folder, f"{file}.o"))
            if file.endswith(".cu"):
                run(["nvcc", *device_flags, "-c", source, "-o", target])
                return target
            extra = ADAPTER_SANITIZERS if file == "op.cc" else SANITIZERS
            command = [program, *flags, *(extra if sanitize else [])]
            run([*command, "-c", source, "-o", target])
            return target

        with ThreadPoolExecutor() as pool:
            objects = list(pool.map(compile_one, sources))
        linked = Path(folder, library.name)
        link = SANITIZERS if sanitize else []
        run([*linker, *link, *objects, "-o", str(linked), *tensorflow["link"]])
        install(linked, library)
    return library


def install(built: Path, library: Path) -> None:
    """Puts a library in its place at once: a process may load the old one meanwhile."""
    library.parent.mkdir(parents=True, exist_ok=True)
    complete = library.with_name(f"{library.name}.{os.getpid()}")
    shutil.copy(built, complete)
    complete.replace(library)


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
    where = options.output, options.sanitize, options.force
    builds = [functools.partial(build_masks, *where)]
    builds += [
        functools.partial(build_tensorflow_ops, name, *where, options.cuda)
        for name in TENSORFLOW_OPS
    ]
    for build in builds:
        try:
            print(build())
        except MissingTool as error:
            if not options.if_possible:
                sys.exit(f"custom_ops/build.py: {error}")
            print(f"not built, tfmask will do without it: {error}")
        except BuildError as error:
            sys.exit(f"custom_ops/build.py: {error}")


if __name__ == "__main__":
    main()
