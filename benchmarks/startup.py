"""Time of import, of building R50-FPN, and of the first call, which traces the graph.

    python benchmarks/startup.py

Each round is a fresh process; the first one may have to read files from the disk.
"""

import json
import statistics
import time

import common

common.quiet()


def measure(options) -> dict:
    started = time.perf_counter()
    import tensorflow as tf

    from tfmask.config import load_config
    from tfmask.evaluation.predictor import Predictor
    from tfmask.models.build import build_model
    from tfmask.structures import ClassMap

    tf.zeros([]).numpy()  # devices are made on first use
    imported = time.perf_counter()
    config = load_config("mask_rcnn/detectron2_r50")
    config.model.num_classes = 80
    model = build_model(config.model)
    built = time.perf_counter()
    height, width = common.height_width(options.size)
    image = common.image_batch(options.size, 1)[0, :height, :width]
    names = tuple(map(str, range(1, 81)))
    predictor = Predictor(model, config.data, ClassMap(tuple(range(1, 81)), names))
    predictor.predict([image])
    called = time.perf_counter()
    predictor.predict([image])
    again = time.perf_counter()
    return {
        "what": "startup",
        "program": "tfmask",
        "import": imported - started,
        "build": built - imported,
        "first call": called - built,
        "second call": again - called,
    }


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=3)
    options = parser.parse_args()
    if options.json:
        options.size = options.size or common.SIZES[0]
        print(json.dumps(measure(options)))
        return
    size = options.size or common.SIZES[0]
    rows = common.measure_each(__file__, [["--size", size]] * options.repeats)
    middle = {
        name: statistics.median(row[name] for row in rows)
        if isinstance(value, float)
        else value
        for name, value in rows[0].items()
    }
    common.print_table([middle], list(middle))


if __name__ == "__main__":
    main()
