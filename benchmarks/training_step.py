"""Time and peak memory of a training step: R50-FPN, float32, random weights.

    python benchmarks/training_step.py [--size 800x1333 --batch 1] [--recipe R]
        [path=value ...]

10 ground-truth boxes with masks an image, 512 sampled rois. The mask head sees the
foreground rois alone: the 10 boxes and the proposals that happen to lie on them. The
recipe freezes the stem, res2 and the normalisation; `--train-all` trains all of it with
live batch normalisation, which is what Model Garden does.
"""

import json

import common

common.quiet()


def make_batch(size: str, batch: int) -> dict:
    import tensorflow as tf

    boxes, labels, masks = common.instances(size, batch)
    shape = labels.shape
    return {
        "images": tf.constant(common.image_batch(size, batch)),
        "image_sizes": tf.constant([common.height_width(size)] * batch, tf.int32),
        "stream_index": tf.range(batch, dtype=tf.int64),
        "boxes": tf.constant(boxes),
        "labels": tf.constant(labels),
        "masks": tf.cast(tf.constant(masks) * 255, tf.uint8),
        "crowd": tf.zeros(shape, tf.bool),
        "valid": tf.ones(shape, tf.bool),
    }


def batch_spec(batch: dict) -> dict:
    """TensorSpecs of such batches, open where the input pipeline's are."""
    import tensorflow as tf

    spec = {name: list(value.shape) for name, value in batch.items()}
    spec["images"][1:3] = None, None
    for name in ("boxes", "labels", "masks", "crowd", "valid"):
        spec[name][1] = None
    return {name: tf.TensorSpec(spec[name], v.dtype) for name, v in batch.items()}


def measure(options) -> dict:
    import tensorflow as tf

    from tfmask.cli.settings import read_config
    from tfmask.models.build import build_model
    from tfmask.training.optimizer import build_optimizer
    from tfmask.training.step import TrainStep

    overrides = ["model.num_classes=80", f"train.batch_size={options.batch}"]
    if options.train_all:
        overrides += ["model.backbone.norm=bn", "model.backbone.freeze_at=0"]
    config = read_config(options.recipe, [*overrides, *options.overrides])
    model = build_model(config.model, config.train.precision)
    common.calm(model)
    optimizer = build_optimizer(model, config.train)
    optimizer.set_step(0)  # the start of the warm-up: random weights stay finite
    batch = make_batch(options.size, options.batch)
    spec = batch_spec(batch)
    step = TrainStep(
        tf.distribute.get_strategy(), model, optimizer, spec, config.train.clip_norm
    )
    rois = count_foreground(model, batch)
    seconds, times = common.time_calls(
        lambda: step(batch), options, **{"mask rois": rois}
    )
    result = step(batch)
    return {
        "what": "training",
        "program": "tfmask",
        "size": options.size,
        "batch": options.batch,
        "trained": "all, live BN" if options.train_all else "recipe",
        "seconds": seconds,
        "fastest": min(times),
        "peak GiB": common.peak_gib(),
        "mask rois": rois,
        "finite": result.finite,
    }


def count_foreground(model, batch) -> int:
    """Foreground rois of the batch, which is what the mask head computes on."""
    import tensorflow as tf

    samples = model(batch, training=True)["stages"][0].samples
    return int(tf.reduce_sum(tf.cast(samples.valid & (samples.labels > 0), tf.int32)))


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--train-all", action="store_true")
    parser.add_argument("--recipe", default="mask_rcnn/detectron2_r50")
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    options = parser.parse_args()
    if options.size:
        rows = [measure(options)]
    else:
        extra = ["--repeats", str(options.repeats), "--recipe", options.recipe]
        extra += options.overrides
        cases = [
            ["--size", size, "--batch", batch, *how]
            for size, batch in zip(common.SIZES, ("1", "2"))
            for how in ([], ["--train-all"])
        ]
        rows = common.measure_each(__file__, [[*case, *extra] for case in cases])
    if options.json:
        print(json.dumps(rows[0]))
    else:
        common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
