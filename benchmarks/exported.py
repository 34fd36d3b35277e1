"""Latency of exported models: R50-FPN, batch 1, random weights, pixels to detections.

    python benchmarks/exported.py [--size 512x512] [--format openvino]
        [--precision bfloat16]

The score threshold is 0, as in inference.py. Image size is fixed, as Model Garden's
exporter wants it. `load` is the time to load the exported model in this process,
`first call` that of its first image.
"""

import json
import tempfile
import time
from pathlib import Path

import common

common.quiet()


def measure(options) -> dict:
    import numpy as np

    from tfmask.cli.settings import read_config
    from tfmask.export.limits import Limits
    from tfmask.models.build import build_model
    from tfmask.structures import ClassMap

    height, width = common.height_width(options.size)
    config = read_config(
        "mask_rcnn/detectron2_r50",
        [
            "model.num_classes=80",
            "model.postprocess.score_threshold=0",
            f"data.eval_short_side={min(height, width)}",
            f"data.eval_max_side={max(height, width)}",
        ],
    )
    # OpenVINO takes a model in float32 and lowers the precision itself.
    of_model = "float32" if options.format == "openvino" else options.precision
    model = build_model(config.model, of_model)
    common.calm(model)
    _fill_zeros(model)
    classes = ClassMap(tuple(range(1, 81)), tuple(map(str, range(1, 81))))
    work = (model, config.data, classes)
    image = np.ascontiguousarray(
        common.image_batch(options.size, 1)[:, :height, :width]
    )
    with tempfile.TemporaryDirectory() as folder:
        if options.format == "openvino":
            from tfmask.export.openvino import export
        else:
            from tfmask.export.saved_model import export
        limits = Limits(size=(height, width))
        path = export(*work, folder, limits=limits, precision=options.precision)
        size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        started = time.perf_counter()
        call = loaded(path, options, image)
        load = time.perf_counter() - started
        detections = call()["num_detections"]
        first = time.perf_counter() - started - load
        seconds, times = common.time_calls(call, options)
    return {
        "what": "exported",
        "program": options.format,
        "precision": options.precision,
        "size": options.size,
        "seconds": seconds,
        "fastest": min(times),
        "load": load,
        "first call": first,
        "MB": size / 1e6,
        "peak GiB": common.peak_gib(),
        "detections": int(detections[0]),
    }


def _fill_zeros(model) -> None:
    """Small numbers in place of biases of zero, which a trained model does not have.

    TensorFlow takes an addition of constant zeros out of the graph, and with it what
    it fuses convolution, bias and ReLU by.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.numpy().any():
            variable.assign(rng.normal(0, 1e-4, variable.shape))


def loaded(path: Path, options, image):
    """A function without arguments that runs the exported model once."""
    if options.format == "openvino":
        import openvino

        from tfmask.export.openvino import HINTS

        hints = HINTS[options.precision]
        compiled = openvino.Core().compile_model(path / "model.xml", "CPU", hints)

        def call():
            outputs = compiled({"input_tensor": image})
            return {o.get_any_name(): value for o, value in outputs.items()}

        return call
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    pixels = tf.constant(image)

    def run():
        outputs = model.signatures["serving_default"](pixels)
        return {name: value.numpy() for name, value in outputs.items()}

    return run


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=7)
    parser.add_argument(
        "--format", choices=("saved_model", "openvino"), default="saved_model"
    )
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32"
    )
    options = parser.parse_args()
    options.size = options.size or common.SIZES[0]
    row = measure(options)
    if options.json:
        print(json.dumps(row))
    else:
        common.print_table([row], list(row))


if __name__ == "__main__":
    main()
