"""Inference latency and peak memory: R50-FPN, batch 1, float32, random weights.

    python benchmarks/inference.py [--size 512x512] [--recipe R] [path=value ...]

The score threshold is 0, so that the random model keeps its full 100 detections and
runs the mask head on them; the final suppression then has all 80,000 candidates.
`seconds` is the model alone, `with pasting` the way from an image in memory to
detections with masks in the image's own pixels.
"""

import json

import common

common.quiet()


def measure(options) -> dict:
    import numpy as np
    import tensorflow as tf

    from tfmask.cli.settings import read_config
    from tfmask.evaluation.predictor import Predictor
    from tfmask.models.build import build_model
    from tfmask.structures import ClassMap

    config = read_config(
        options.recipe,
        [
            "model.num_classes=80",
            "model.postprocess.score_threshold=0",
            *options.overrides,
        ],
    )
    model = build_model(config.model, config.train.precision)
    common.calm(model)
    images = common.image_batch(options.size, 1)
    height, width = common.height_width(options.size)
    batch = {
        "images": tf.constant(images),
        "image_sizes": tf.constant([[height, width]], tf.int32),
    }

    @tf.function
    def infer(images, image_sizes):
        return model({"images": images, "image_sizes": image_sizes}, training=False)

    def call():
        return {k: v.numpy() for k, v in infer(**batch).items()}

    seconds, times = common.time_calls(call, options)
    peak = common.peak_gib()
    config.data.eval_short_side = min(height, width)
    config.data.eval_max_side = max(height, width)
    names = tuple(map(str, range(1, 81)))
    predictor = Predictor(model, config.data, ClassMap(tuple(range(1, 81)), names))
    image = np.ascontiguousarray(images[0, :height, :width])
    pasted, _ = common.median_seconds(
        lambda: predictor.predict([image]), max(options.repeats // 2, 1), 1
    )
    return {
        "what": "inference",
        "program": "tfmask",
        "size": options.size,
        "seconds": seconds,
        "fastest": min(times),
        "with pasting": pasted,
        "peak GiB": peak,
        "detections": int(call()["valid"].sum()),
    }


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=7)
    parser.add_argument("--recipe", default="mask_rcnn/detectron2_r50")
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    options = parser.parse_args()
    if options.size:
        rows = [measure(options)]
    else:
        extra = ["--repeats", str(options.repeats), "--recipe", options.recipe]
        extra += options.overrides
        rows = common.measure_each(
            __file__, [["--size", s, *extra] for s in common.SIZES]
        )
    if options.json:
        print(json.dumps(rows[0]))
    else:
        common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
