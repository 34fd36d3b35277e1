"""What `tfmask export`, `serve`, `batch` and `benchmark` do."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

from tfmask.cli.model import load_model, numbered_classes
from tfmask.cli.settings import read_config
from tfmask.cli.startup import start_tensorflow
from tfmask.errors import ExportError
from tfmask.export.limits import MAX_PIXELS, Limits, check_pixels

__all__ = ("FORMATS", "MAX_PIXELS", "batch", "benchmark", "export", "serve")
FORMATS = ("saved_model", "openvino", "onnx", "litert")
_FLOAT32 = ("onnx", "litert")  # whose models compute in nothing else
SIZE = (800, 1333)  # where any size may come: operations are counted for this
COCO_CLASSES = 80  # of a model whose number of classes nothing says


def export(options) -> int:
    """Write a trained model for TensorFlow Serving, OpenVINO, ONNX or LiteRT."""
    config = read_config(options.config, options.overrides)
    check_pixels(config.data)
    as_trained = "float32" if options.format in _FLOAT32 else config.train.precision
    precision = options.precision or as_trained
    # OpenVINO takes a model in float32 and lowers the precision itself.
    of_model = precision if options.format == "saved_model" else "float32"
    config.train.precision = of_model
    if options.max_detections:
        config.model.postprocess.max_detections = options.max_detections
    if options.score_threshold is not None:
        config.model.postprocess.score_threshold = options.score_threshold
    start_tensorflow()
    from tfmask.weights.load import read_class_map

    class_map = read_class_map(options.load) or numbered_classes(config)
    model = load_model(config, options.load, class_map)
    writer = importlib.import_module(f"tfmask.export.{options.format}")
    limits = Limits(
        size=options.size, max_pixels=options.max_pixels, full_masks=options.full_masks
    )
    from tfmask.models.macs import model_macs

    costs = model_macs(model, *(options.size or SIZE))
    folder = writer.export(
        model,
        config.data,
        class_map,
        options.out,
        version=options.version,
        limits=limits,
        precision=precision,
        facts={"macs": {part.name: part.each * part.times for part in costs.parts}},
    )
    print(f"{len(class_map.ids)} classes, {precision} -> {folder}")
    return 0


def serve(options) -> int:
    """Serve an exported model on this machine, to try it: REST and a page."""
    start_tensorflow()
    try:
        from tfmask.export.server import serve as run
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name} is not installed: pip install 'tfmask[serve]'"
        ) from None
    run(options.folder, options.host, options.port, options.name)
    return 0


def batch(options) -> int:
    """Run an exported model on any number of images by Apache Beam: COCO results out.

    Where results of the same job are in the folder, the rest is done.
    """
    beam_options = [f"--{option}" for option in options.option]
    if options.workers:
        beam_options += [
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={options.workers}",
        ]
    start_tensorflow()
    try:
        from tfmask.batch.pipeline import run
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name} is not installed: pip install 'tfmask[beam]'"
        ) from None
    summary = run(
        options.folder,
        options.images,
        options.out,
        shard_size=options.shard_size,
        beam_options=beam_options,
    )
    for failure in summary.failures:
        print(f"{failure['image_id']}: {failure['error']}", file=sys.stderr)
    print(
        f"{summary.shards} shards -> {options.out}, {len(summary.failures)} images "
        "failed"
    )
    return 1 if summary.failures else 0


def benchmark(options) -> int:
    """Measure a model: latency, throughput, memory, time of each stage, operations."""
    exported = Path(options.model).is_dir()
    config = None if exported else read_config(options.model, options.overrides)
    start_tensorflow()
    from tfmask.export import benchmark as measuring

    work = (options.size, options.batch, options.runs)
    if config is None:
        report = measuring.of_exported(options.model, *work)
    else:
        report = measuring.of_model(_model(config, options.load), config, *work)
    print(json.dumps(report, indent=2) if options.json else measuring.as_text(report))
    return 0


def _model(config, path):
    """The model of a configuration: with these weights, or with random ones."""
    if path:
        from tfmask.weights.load import read_class_map

        class_map = read_class_map(path) or numbered_classes(config)
        return load_model(config, path, class_map)
    from tfmask.models.build import build_model

    classes = config.model.num_classes or COCO_CLASSES
    settings = dataclasses.replace(config.model, num_classes=classes)
    return build_model(settings, config.train.precision)
