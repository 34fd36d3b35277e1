"""Checks and times the CUDA kernels of the compiled ops without TensorFlow.

    python custom_ops/harness/run.py [--build] [--out DIR] [--cases N]
    python custom_ops/harness/run.py --emulate

Exit codes: 0 all right, 1 a wrong result or a failure, 3 no GPU or no nvcc.
"""

import argparse
import ctypes
import json
import sys
import tempfile
from pathlib import Path

import cuda_device
import cuda_library
import momentum_cases
import numpy as np
import roi_cases
import timing

KERNELS = {
    "shape_aware_roi_align": cuda_library.KERNEL,
    "momentum_update": cuda_library.MOMENTUM_KERNEL,
}


def check_all(launchers: cuda_library.Launchers, count: int) -> dict[str, float]:
    """Largest relative difference of each result; AssertionError where one is wrong."""
    worst = {}
    for case in [*roi_cases.special_cases(), *map(roi_cases.random_case, range(count))]:
        for name, difference in roi_cases.check(launchers, case).items():
            name = f"{name} {'float64' if case.dtype == 'float64' else 'float32'}"
            worst[name] = max(worst.get(name, 0.0), difference)
    return worst


def check_updates(library: ctypes.CDLL, memory, count: int) -> None:
    """AssertionError where an update is wrong."""
    for seed in range(count):
        momentum_cases.check(library, memory, momentum_cases.random_case(seed))


def load_cuda(folder: Path, force: bool) -> tuple[str, list[ctypes.CDLL]]:
    gpu, capability = cuda_device.find()
    libraries = []
    for name, kernel in KERNELS.items():
        built = folder / f"{name}-cuda.so"
        if force or not built.exists():
            cuda_device.require_nvcc()
            cuda_library.build_cuda(built, capability, kernel)
        libraries.append(ctypes.CDLL(str(built)))
    return gpu, libraries


def emulate(folder: Path) -> list[ctypes.CDLL]:
    return [
        ctypes.CDLL(str(cuda_library.build_emulation(folder / f"{name}.so", kernel)))
        for name, kernel in KERNELS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="store_true", help="build even if built")
    parser.add_argument("--out", type=Path, default=Path("runs/cuda"), help="folder")
    parser.add_argument("--cases", type=int, default=300, help="random calls")
    parser.add_argument("--emulate", action="store_true", help="on the CPU, untimed")
    options = parser.parse_args()
    np.seterr(invalid="ignore")  # Some features are NaN on purpose.
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"cases": options.cases}
    try:
        if options.emulate:
            report["device"] = "emulation"
            with tempfile.TemporaryDirectory() as folder:
                libraries = emulate(Path(folder))
            memories = [cuda_library.HostMemory() for _ in libraries]
        else:
            report["device"], libraries = load_cuda(options.out, options.build)
            memories = [cuda_library.CudaMemory(library) for library in libraries]
        pooling, update = zip(libraries, memories)
        launchers = cuda_library.Launchers(*pooling)
        report["differences"] = check_all(launchers, options.cases)
        check_updates(*update, options.cases)
        if not options.emulate:
            report["timing"] = timing.measure(launchers)
            report["update"] = timing.measure_update(*update)
    except cuda_device.NoDevice as missing:
        print(f"custom_ops/harness/run.py: {missing}", file=sys.stderr)
        sys.exit(3)
    except (AssertionError, cuda_library.HarnessError) as error:
        sys.exit(f"custom_ops/harness/run.py: {error}")
    (options.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    measured = report.pop("timing", None)
    print(json.dumps(report, indent=2))
    if measured is not None:
        print(timing.table(measured))


if __name__ == "__main__":
    main()
