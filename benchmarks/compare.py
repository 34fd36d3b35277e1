"""tfmask beside TensorFlow Model Garden, in turns in one run.

    make compare        or        python benchmarks/compare.py --garden PYTHON

Every figure is the median over `--rounds` of the medians of fresh processes, which take
turns, so that a slow minute of the machine hits both. A ratio below 1 means that tfmask
takes less.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import common

HERE = Path(__file__).resolve().parent


def cases(size_and_batch) -> list[tuple[str, list[str], list[str]]]:
    """(row, arguments of tfmask's script, arguments of Model Garden's)."""
    rows = []
    for size, _ in size_and_batch:
        rows.append(
            (
                f"inference {size}",
                ["inference.py", "--size", size],
                ["--what", "inference", "--size", size],
            )
        )
    for size, batch in size_and_batch:
        garden = ["--what", "training", "--size", size, "--batch", batch]
        ours = ["training_step.py", "--size", size, "--batch", batch]
        name = f"training {size} batch {batch}"
        rows += [
            (f"{name}, all trained", [*ours, "--train-all"], garden),
            (f"{name}, frozen as the recipe says", ours, garden),
        ]
    size = size_and_batch[0][0]
    rows.append(
        (
            "startup",
            ["startup.py", "--size", size],
            ["--what", "startup", "--size", size],
        )
    )
    return rows


def compare(row, ours, theirs, options) -> list[dict]:
    """Runs one row in turns; two lines for training: fair and padded mask rois."""
    garden = [options.garden, str(HERE / "model_garden.py"), *theirs, "--json"]
    script, *arguments = ours
    tfmask = [sys.executable, str(HERE / script), *arguments, "--json"]
    if "startup" not in row:
        for command in (garden, tfmask):
            command += ["--repeats", str(options.repeats)]
    variants = {"": garden}
    if row.startswith("training"):
        first = common.run_json([*tfmask, "--repeats", "1", "--warmup", "1"])
        batch = first["batch"]
        same = -(-first["mask rois"] // batch)  # an image, rounded up
        variants = {
            f", {same} mask rois an image": [*garden, "--mask-rois", str(same)],
            ", 128 padded mask rois an image": garden,
        }
    found: dict = {"tfmask": [], **{name: [] for name in variants}}
    for _ in range(options.rounds):
        found["tfmask"].append(common.run_json(tfmask))
        for name, command in variants.items():
            found[name].append(common.run_json(command))
        print(f"{row}: one round of {options.rounds} done", file=sys.stderr)
    lines = []
    for figure in ("seconds", "peak GiB", "import", "build", "first call"):
        if figure not in found["tfmask"][0]:
            continue
        mine = statistics.median(r[figure] for r in found["tfmask"])
        for name in variants:
            peer = statistics.median(r[figure] for r in found[name])
            lines.append(
                {
                    "row": f"{row}{name}",
                    "figure": figure,
                    "tfmask": mine,
                    "Model Garden": peer,
                    "ratio": mine / peer,
                }
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--garden", required=True, help="python of .venv-garden")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--sizes", default="800x1333:1,512x512:2", help="SIZE:BATCH,..."
    )
    parser.add_argument("--only", default="", help="rows with this word in their name")
    parser.add_argument("--out", help="also write the lines as JSON")
    options = parser.parse_args()
    sizes = [tuple(item.split(":")) for item in options.sizes.split(",")]
    lines = []
    for row, ours, theirs in cases(sizes):
        if options.only in row:
            lines += compare(row, ours, theirs, options)
    common.print_table(lines, list(lines[0]))
    if options.out:
        Path(options.out).write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()
