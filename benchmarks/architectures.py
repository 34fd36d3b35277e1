"""Inference time of the architectures beside plain Mask R-CNN, in one run.

    python benchmarks/architectures.py [--size 800x1333] [--rounds 7]
        [--detections 27] [--only BMask]

R50-FPN, 80 classes, float32, random weights; 800x1333, and 600x1000 as in BMask R-CNN's
ablations (table 8), unless a size is given. 100 detections an image are the most that
COCO counts; the published multiply-accumulates of BMask R-CNN (its table 8) follow from
27 an image. The models take turns, call by call, each in a process that stays; ratios
are medians over the rounds.
"""

import json
import statistics
import sys
from pathlib import Path

import common

MASKPLUS = ["context.filters=720,512,512,256", "pyramid.enabled=true"]
MASKPLUS += ["refinement.kind=improved"]  # the other two act in training alone
BASE = "Mask R-CNN"
SIZES = (common.SIZES[0], "600x1000")
# title -> what it changes in it
MODELS = {
    BASE: [],
    "BMask R-CNN": ["model.mask.head=boundary_preserving"],
    "Mask Scoring R-CNN": ["model.mask.scoring.enabled=true"],
    "MaskPlus": [f"model.mask.{setting}" for setting in MASKPLUS],
    "encoder-decoder head": ["model.mask.head=encoder_decoder"],
    "MR R-CNN": ["model.refine.enabled=true"],
    "PANet bottom-up": ["model.neck=panet"],
    "IEMask R-CNN w/o GIM": [
        "model.neck=iefpn",
        "model.neck.global_information=false",
        "model.mask.head=encoder_decoder",
    ],
    "IEMask R-CNN": ["model.neck=iefpn", "model.mask.head=encoder_decoder"],
    "Cascade Mask R-CNN": [
        "model.boxes.stages=3",
        "model.boxes.stages.1.regression_weights=20,20,10,10",
        "model.boxes.stages.2.regression_weights=30,30,15,15",
        "model.boxes.head.class_agnostic=true",
    ],
    "ResNeXt-101-32x8d": [
        "model.backbone.depth=101",
        "model.backbone.groups=32",
        "model.backbone.width_per_group=8",
        "model.backbone.stride_in_1x1=false",
    ],
    "ResNet-101": ["model.backbone.depth=101"],
    "deformable ResNet-101": [
        "model.backbone.depth=101",
        "model.backbone.deformable=v1",
    ],
    "HRNetV2-W32": ["model.backbone=hrnet", "model.neck=hrfpn"],
}


def measure(size: str, options) -> list[dict]:
    """A row for each model at one size."""
    script = str(Path(__file__).resolve().parent / "inference.py")
    command = [sys.executable, script, "--size", size]
    command.append(f"model.postprocess.max_detections={options.detections}")
    workers = {
        title: common.Worker([*command, *arguments])
        for title, arguments in MODELS.items()
        if title == BASE or options.only in title
    }
    times = {title: [] for title in workers}
    for _ in range(options.rounds):
        for title, worker in workers.items():
            times[title].append(worker.call())
    base = times[BASE]
    rows = []
    for title, values in times.items():
        row = workers[title].finish()
        rows.append(
            {
                "model": title,
                "size": size,
                "seconds": statistics.median(values),
                "ratio": statistics.median(a / b for a, b in zip(values, base)),
                "detections": row["detections"],
                "peak GiB": row["peak GiB"],
            }
        )
    return rows


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--detections", type=int, default=100, help="of an image")
    parser.add_argument("--only", default="", help="models with this word in the name")
    options = parser.parse_args()
    rows = []
    for size in [options.size] if options.size else SIZES:
        rows += measure(size, options)
    if options.json:
        print(json.dumps(rows))
    else:
        common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
