"""Time of each stage of inference beside what its arithmetic needs at best.

    python benchmarks/stages.py [--size 512x512] [--precision bfloat16] [--recipe R]
        [path=value ...]

The bound of a stage is its multiply-accumulates at the speed of TensorFlow's own
convolutions and matrix products on this machine, measured here first: that of 3x3
convolutions for the neck, the RPN and the masks, of the mean of 3x3 and 1x1 for the
trunk, whose arithmetic is half of either, and of matrix products for the box head. All
else (pooling, sampling, suppression, resizing of features) counts as nothing. Random
weights; the score threshold is 0, so that there are 100 detections.
"""

import json

import common

common.quiet()

# stage of the model -> (parts of the arithmetic, kinds of operations)
STAGES = {
    "backbone": (("backbone",), ("3x3", "1x1")),
    "neck": (("neck",), ("3x3",)),
    "proposals": (("rpn_head",), ("3x3",)),
    "boxes": (("box_head",), ("product",)),
    "selection, masks": (("mask_branch",), ("3x3",)),
}


def speeds(dtype: str, options) -> dict[str, float]:
    """Multiply-accumulates per second of each kind of operation, the fastest call."""
    import tensorflow as tf

    def random(*shape):
        return tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype)

    def seconds(function, *arguments):
        compiled = tf.function(function)
        _, times = common.median_seconds(
            lambda: tf.cast(compiled(*arguments)[..., 0], "float32").numpy(),
            options.repeats,
            options.warmup,
        )
        return min(times)

    def convolve(x, kernel):
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    wide, deep = random(1, 100, 168, 256), random(1, 50, 84, 1024)
    rows = random(1000, 12544)
    cells = 100 * 168, 50 * 84
    return {
        "3x3": cells[0] * 9 * 256**2 / seconds(convolve, wide, random(3, 3, 256, 256)),
        "1x1": cells[1] * 1024 * 256 / seconds(convolve, deep, random(1, 1, 1024, 256)),
        "product": 1000 * 12544 * 1024 / seconds(tf.matmul, rows, random(12544, 1024)),
    }


def measure(options) -> dict:
    from tfmask.cli.settings import read_config
    from tfmask.export.benchmark import of_model
    from tfmask.models.build import build_model

    height, width = common.height_width(options.size)
    config = read_config(
        options.recipe,
        [
            "model.num_classes=80",
            "model.postprocess.score_threshold=0",
            f"data.eval_short_side={min(height, width)}",
            f"data.eval_max_side={max(height, width)}",
            *options.overrides,
        ],
    )
    best = speeds(options.precision, options)
    model = build_model(config.model, options.precision)
    common.calm(model)
    report = of_model(model, config, (height, width), 1, options.repeats)
    return {"speeds": best, **report}


def table(report: dict) -> list[dict]:
    rows = []
    for stage, (parts, kinds) in STAGES.items():
        macs = sum(report["macs"][part] for part in parts)
        bound = sum(macs / len(kinds) / report["speeds"][kind] for kind in kinds)
        rows.append(_row(stage, macs, bound, report["stages"][stage]))
    totals = [sum(row[key] for row in rows) for key in ("G MAC", "bound ms", "ms")]
    macs, bound, spent = totals
    return [*rows, _row("all stages", 1e9 * macs, bound / 1e3, spent / 1e3)]


def _row(name: str, macs: float, bound: float, spent: float) -> dict:
    return {
        "stage": name,
        "G MAC": macs / 1e9,
        "bound ms": 1e3 * bound,
        "ms": 1e3 * spent,
        "ratio": spent / bound,
    }


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=9)
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32"
    )
    parser.add_argument("--recipe", default="mask_rcnn/detectron2_r50")
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    options = parser.parse_args()
    options.size = options.size or common.SIZES[0]
    report = measure(options)
    if options.json:
        print(json.dumps(report))
        return
    print(f"bfloat16 instructions of this CPU: {common.bfloat16_instructions()}")
    for kind, speed in report["speeds"].items():
        print(f"{kind}: {2e-9 * speed:.0f} GFLOP/s in {options.precision}")
    rows = table(report)
    common.print_table(rows, list(rows[0]))
    whole, detections = report["seconds"]["median"], report["detections"]
    print(f"end to end {1e3 * whole:.0f} ms, {detections:g} detections")


if __name__ == "__main__":
    main()
