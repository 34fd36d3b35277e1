"""tfmask beside TensorFlow Model Garden, in turns in one run.

    make compare        or        python benchmarks/compare.py --garden PYTHON
    ... --only exported           the exported models alone

The programs of a row take turns, call by call, so that a slow minute of the machine
hits all of them. Times are medians, ratios the medians of the ratios of neighbouring
calls; below 1 tfmask takes less.
"""

import argparse
import importlib.util
import itertools
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
    forms = ["saved_model"]
    if importlib.util.find_spec("openvino") is not None:
        forms.append("openvino")
    for size, _ in size_and_batch:
        for form, precision in itertools.product(forms, ("float32", "bfloat16")):
            ours = ["exported.py", "--format", form, "--precision", precision]
            rows.append(
                (
                    f"exported {size}, {form} {precision}",
                    [*ours, "--size", size],
                    ["--what", "exported", "--size", size],
                )
            )
    size = size_and_batch[0][0]
    rows.append(
        (
            "startup",
            ["startup.py", "--size", size],
            ["--what", "startup", "--size", size],
        )
    )
    return rows


def take_turns(row, ours, theirs, options) -> list[dict]:
    """All programs of one row take turns, call by call, in processes that stay."""
    garden = [options.garden, str(HERE / "model_garden.py"), *theirs]
    tfmask = common.Worker([sys.executable, str(HERE / ours[0]), *ours[1:]])
    variants = {"": garden}
    if "mask rois" in tfmask.facts:
        batch = int(theirs[theirs.index("--batch") + 1])
        same = -(-tfmask.facts["mask rois"] // batch)  # an image, rounded up
        variants = {
            f", {same} mask rois an image": [*garden, "--mask-rois", str(same)],
            ", 128 padded mask rois an image": garden,
        }
    workers = [tfmask, *(common.Worker(command) for command in variants.values())]
    times = []
    for _ in range(options.rounds):
        times.append([worker.call() for worker in workers])
        print(f"{row}: {times[-1]}", file=sys.stderr, flush=True)
    rows = [worker.finish() for worker in workers]
    lines = []
    for i, name in enumerate(variants, 1):
        lines.append(
            {
                "row": f"{row}{name}",
                "figure": "seconds",
                "tfmask": statistics.median(t[0] for t in times),
                "Model Garden": statistics.median(t[i] for t in times),
                "ratio": statistics.median(t[0] / t[i] for t in times),
            }
        )
        lines.append(_line(f"{row}{name}", "peak GiB", rows[:1], rows[i : i + 1]))
    return lines


def start_in_turns(row, ours, theirs, options) -> list[dict]:
    """Fresh processes in turns."""
    garden = [options.garden, str(HERE / "model_garden.py"), *theirs, "--json"]
    tfmask = [sys.executable, str(HERE / ours[0]), *ours[1:], "--json"]
    mine, peers = [], []
    for _ in range(options.starts):
        mine.append(common.run_json(tfmask))
        peers.append(common.run_json(garden))
    return [
        _line(row, figure, mine, peers) for figure in ("import", "build", "first call")
    ]


def _line(row, figure, mine, peers) -> dict:
    mine = statistics.median(r[figure] for r in mine)
    peer = statistics.median(r[figure] for r in peers)
    return {
        "row": row,
        "figure": figure,
        "tfmask": mine,
        "Model Garden": peer,
        "ratio": mine / peer,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--garden", required=True, help="python of .venv-garden")
    parser.add_argument("--rounds", type=int, default=9, help="calls of each program")
    parser.add_argument("--starts", type=int, default=3, help="processes of the start")
    parser.add_argument(
        "--sizes", default="800x1333:1,512x512:2", help="SIZE:BATCH,..."
    )
    parser.add_argument("--only", default="", help="rows with this word in their name")
    parser.add_argument("--out", help="also write the lines as JSON")
    options = parser.parse_args()
    sizes = [tuple(item.split(":")) for item in options.sizes.split(",")]
    print(f"bfloat16 instructions of this CPU: {common.bfloat16_instructions()}")
    lines = []
    for row, ours, theirs in cases(sizes):
        if options.only in row:
            run = start_in_turns if row == "startup" else take_turns
            lines += run(row, ours, theirs, options)
    common.print_table(lines, list(lines[0]))
    if options.out:
        Path(options.out).write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()
