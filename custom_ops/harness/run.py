"""Checks and times the CUDA kernels of shape-aware RoIAlign without TensorFlow.

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
import numpy as np
import roi_cases
import timing

NAME = "shape_aware_roi_align-cuda.so"


def check_all(launchers: cuda_library.Launchers, count: int) -> dict[str, float]:
    """Largest relative difference of each result; AssertionError where one is wrong."""
    worst = {}
    for case in [*roi_cases.special_cases(), *map(roi_cases.random_case, range(count))]:
        for name, difference in roi_cases.check(launchers, case).items():
            name = f"{name} {'float64' if case.dtype == 'float64' else 'float32'}"
            worst[name] = max(worst.get(name, 0.0), difference)
    return worst


def load_cuda(folder: Path, force: bool) -> tuple[str, cuda_library.Launchers]:
    gpu, capability = cuda_device.find()
    built = folder / NAME
    if force or not built.exists():
        cuda_device.require_nvcc()
        cuda_library.build_cuda(built, capability)
    loaded = ctypes.CDLL(str(built))
    return gpu, cuda_library.Launchers(loaded, cuda_library.CudaMemory(loaded))


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
                built = cuda_library.build_emulation(Path(folder, "emulation.so"))
                report["differences"] = check_all(
                    cuda_library.emulated(built), options.cases
                )
        else:
            report["device"], launchers = load_cuda(options.out, options.build)
            report["differences"] = check_all(launchers, options.cases)
            report["timing"] = timing.measure(launchers)
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
