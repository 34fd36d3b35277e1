"""How far imported models are from what the public implementations computed.

    python benchmarks/parity.py [CASE ...] [--folder FOLDER]

Prints the table of docs/parity.md: for every tensor of the golden cases the largest
deviation and the tolerance. Exit code 1 if a deviation exceeds its tolerance.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument(
        "--folder", help="manifest.json and .npz files of other seeds, same names"
    )
    options = parser.parse_args()
    if options.folder:
        os.environ["TFMASK_GOLDEN"] = str(Path(options.folder).resolve())
    root = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(root), str(root / "tests")]

    import keras
    import tensorflow as tf
    from golden import cases

    unknown = set(options.cases) - set(cases.CASES)
    if unknown:
        parser.error(f"{sorted(unknown)[0]}: expected one of {', '.join(cases.CASES)}")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}\n")
    print("| tensor | largest deviation | tolerance | |\n|---|---|---|---|")
    failed = 0
    for name in options.cases or cases.CASES:
        print(f"| **{name}** | | | |")
        for row in cases.run(name):
            failed += not row.holds
            verdict = "" if row.holds else " **exceeded**"
            print(
                f"| {row.tensor} | {row.deviation:.1e} {row.unit} | "
                f"{row.tolerance:g} |{verdict} |",
                flush=True,
            )
    print(f"\n{failed} deviations exceed their tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
