"""Inference time of the architectures beside plain Mask R-CNN, in one run.

    python benchmarks/architectures.py [--size 800x1333] [--rounds 7]

R50-FPN, 80 classes, float32, random weights, 100 detections an image. The models take
turns, call by call, each in a process that stays; ratios are medians over the rounds.
"""

import json
import statistics
import sys
from pathlib import Path

import common

MASKPLUS = ["context.filters=720,512,512,256", "pyramid.enabled=true"]
MASKPLUS += ["refinement.kind=improved"]  # the other two act in training alone
# title -> what it changes in Mask R-CNN
MODELS = {
    "Mask R-CNN": [],
    "BMask R-CNN": ["model.mask.head=boundary_preserving"],
    "Mask Scoring R-CNN": ["model.mask.scoring.enabled=true"],
    "MaskPlus": [f"model.mask.{setting}" for setting in MASKPLUS],
    "encoder-decoder head": [
        "model.mask.head=encoder_decoder",
        "model.mask.pool_size=28",
    ],
    "MR R-CNN": ["model.refine.enabled=true"],
}


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=0)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    script = str(Path(__file__).resolve().parent / "inference.py")
    size = options.size or common.SIZES[0]
    workers = {
        title: common.Worker([sys.executable, script, "--size", size, *arguments])
        for title, arguments in MODELS.items()
    }
    times = {title: [] for title in MODELS}
    for _ in range(options.rounds):
        for title, worker in workers.items():
            times[title].append(worker.call())
    base = times["Mask R-CNN"]
    rows = []
    for title, values in times.items():
        row = workers[title].finish()
        rows.append(
            {
                "model": title,
                "seconds": statistics.median(values),
                "ratio": statistics.median(a / b for a, b in zip(values, base)),
                "detections": row["detections"],
                "peak GiB": row["peak GiB"],
            }
        )
    if options.json:
        print(json.dumps(rows))
    else:
        common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
