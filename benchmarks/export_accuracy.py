"""What the precision of an exported model costs in AP, on a data set.

    python benchmarks/export_accuracy.py CONFIG data.val=FOLDER ... --load RUN

Exports the weights as SavedModel in float32 and bfloat16, and for OpenVINO where it is
installed, runs each on every image of data.val, and prints box and mask AP beside the
Python model's in float32.
"""

import argparse
import dataclasses
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import common

common.quiet()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FORMATS = ("saved_model", "openvino")
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    parser.add_argument("--load", required=True, metavar="PATH")
    options = parser.parse_args()

    from tfmask.cli.model import load_model
    from tfmask.cli.settings import read_config
    from tfmask.data.images.read import read_image
    from tfmask.data.readers import load_dataset
    from tfmask.evaluation.metrics import find_metric
    from tfmask.evaluation.predictor import Predictor

    config = read_config(options.config, options.overrides)
    dataset = load_dataset(config.data.val, config.data.val_images, config.data)
    metric = find_metric(config.evaluation, dataset)
    classes = dataset.class_map
    config.train.precision = "float32"
    model = load_model(config, options.load, classes)
    rows: list[dict] = []

    def add(name: str, precision: str, results: list, seconds: float) -> None:
        figures = metric.compute(dataset, results, config.evaluation)
        figures = metric.to_json(figures)["figures"]
        row = {"model": name, "precision": precision}
        for key in ("mask/AP", "mask/AP50", "box/AP"):
            row[key] = f"{figures[key]:.4f}"
            if rows:
                row[key] += f" ({figures[key] - float(rows[0][key]):+.4f})"
        rows.append(row | {"seconds an image": seconds / len(dataset)})
        print(rows[-1], file=sys.stderr, flush=True)

    start = time.perf_counter()
    results = Predictor(model, config.data, classes).run_dataset(dataset).results
    add("Python", "float32", results, time.perf_counter() - start)
    images = [
        (r.image_id, read_image(r.path, config.data.exif, (r.height, r.width)))
        for r in dataset.images
    ]
    for form in FORMATS:
        if form == "openvino" and importlib.util.find_spec("openvino") is None:
            continue
        for precision in PRECISIONS:
            if form == "saved_model" and precision != "float32":
                lower = dataclasses.replace(config.train, precision=precision)
                lower = dataclasses.replace(config, train=lower)
                work = (load_model(lower, options.load, classes), config.data, classes)
            else:
                work = (model, config.data, classes)
            with tempfile.TemporaryDirectory() as folder:
                detect = exported(form, precision, work, folder)
                start = time.perf_counter()
                results = []
                for image_id, image in images:
                    results += detect(image).to_results(image_id, classes)
            add(form, precision, results, time.perf_counter() - start)
    common.print_table(rows, list(rows[0]))


def exported(form: str, precision: str, work, folder: str):
    """Exports and loads a model: image `[H, W, 3]` uint8 -> Prediction."""
    from tfmask.batch.results import to_prediction

    classes = work[2]
    if form == "saved_model":
        import tensorflow as tf

        from tfmask.export.saved_model import export

        loaded = tf.saved_model.load(str(export(*work, folder, precision=precision)))
        function = loaded.signatures["serving_default"]

        def run(image):
            return {k: v.numpy() for k, v in function(tf.constant(image[None])).items()}

        run.model = loaded  # whose variables the function only refers to
    else:
        import openvino

        from tfmask.export.openvino import HINTS, export

        path = export(*work, folder, precision=precision) / "model.xml"
        compiled = openvino.Core().compile_model(path, "CPU", HINTS[precision])

        def run(image):
            outputs = compiled({"input_tensor": image[None]})
            return {o.get_any_name(): v for o, v in outputs.items()}

    def detect(image):
        return to_prediction(run(image), 0, classes)

    return detect


if __name__ == "__main__":
    main()
