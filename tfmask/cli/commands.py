"""What each command does. Everything that needs TensorFlow is imported inside."""

import dataclasses
import json
import sys
from pathlib import Path

from tfmask.cli.model import load_model, numbered_classes
from tfmask.cli.settings import read_config
from tfmask.cli.startup import start_tensorflow
from tfmask.config import (
    Config,
    describe,
    format_tables,
    recipe_names,
    recipe_summary,
    tables_as_data,
)
from tfmask.errors import ConfigError
from tfmask.files import write_atomically
from tfmask.structures import ClassMap

_COCO_CLASSES = 80  # what published parameter counts are for


def train(options) -> int:
    """Train a model, evaluate it, and keep checkpoints, logs and the best weights."""
    overrides = list(options.overrides)
    if options.output:
        overrides.append(f"train.output={options.output}")
    if options.dry_run:
        return _dry_run(options, read_config(options.config, overrides))
    config = read_config(options.config, overrides)
    if not config.data.train:
        raise ConfigError(
            "data.train: expected the training data, e.g. data.train=FOLDER with "
            "annotations.json and images/ in it"
        )
    start_tensorflow()
    from tfmask.training import trainer

    trainer.train(config, resume=options.resume, log=_say)
    return 0


def _dry_run(options, config: Config) -> int:
    """Prints the configuration, the parameters of its model and its multiplications."""
    settings = config.model
    if settings.num_classes:
        origin = "model.num_classes"
    elif config.data.train:
        settings.num_classes = _classes_of(config, "train").num_classes
        origin = "data.train"
    else:
        settings = dataclasses.replace(settings, num_classes=_COCO_CLASSES)
        origin = "assumed, because neither model.num_classes nor data.train is set"
    print(describe(config), flush=True)
    start_tensorflow()
    from tfmask.models.build import build_model
    from tfmask.models.counting import parameter_table
    from tfmask.models.macs import model_macs

    model = build_model(settings, config.train.precision)
    rows = parameter_table(model)
    print(f"\nparameters, {settings.num_classes} classes ({origin}):")
    for part, count in [*rows, ("total", sum(count for _, count in rows))]:
        print(f"  {part:<24}{count:>14,}")
    height, width = options.image_size
    costs = model_macs(model, height, width, rois=options.rois)
    print(
        f"\nmultiply-accumulates, {height}x{width}, {costs.proposals} proposals, "
        f"{costs.rois} detections:"
    )
    for part, each, times in costs.parts:
        note = f"  = {times} x {each / 1e9:.6f}" if times > 1 else ""
        print(f"  {part:<24}{each * times / 1e9:>12.3f} G{note}")
    print(f"  {'total':<24}{costs.total / 1e9:>12.3f} G")
    return 0


def evaluate(options) -> int:
    """Evaluate weights on data.val and print the figures."""
    config = read_config(options.config, options.overrides)
    if not config.data.val:
        raise ConfigError(
            "data.val: expected the data to evaluate on, e.g. data.val=FOLDER with "
            "annotations.json and images/ in it"
        )
    start_tensorflow()
    from tfmask.data.readers import load_dataset
    from tfmask.evaluation.metrics import find_metric, limit_note
    from tfmask.evaluation.predictor import Predictor
    from tfmask.evaluation.results import write_results

    dataset = load_dataset(
        config.data.val, config.data.val_images, config.data, log=_say
    )
    metric = find_metric(config.evaluation, dataset)
    note = limit_note(dataset, config.model.postprocess.max_detections)
    if note:
        _say(note)
    model = load_model(config, options.load, dataset.class_map)
    results, judged = Predictor(model, config.data, dataset.class_map).run_dataset(
        dataset, config.evaluation.batch_size, _progress, _say
    )
    if options.results:
        write_results(options.results, results)
        _say(f"{len(results)} results -> {options.results}")
    figures = metric.compute(judged, results, config.evaluation)
    if options.metrics:
        text = json.dumps(metric.to_json(figures), indent=2) + "\n"
        write_atomically(options.metrics, text)
        _say(f"figures -> {options.metrics}")
    _say(metric.format(figures))
    return 0


def predict(options) -> int:
    """Find the objects on images and write overlays."""
    config = read_config(options.config, options.settings)
    start_tensorflow()
    from tfmask.evaluation.folder import predict_folder
    from tfmask.evaluation.predictor import Predictor
    from tfmask.weights.load import read_class_map

    class_map = read_class_map(options.load) or numbered_classes(config)
    model = load_model(config, options.load, class_map)
    boundaries = options.show == "boundary"
    if boundaries and "boundary" not in model.masks.terms:
        _say("--show boundary: this model predicts no boundaries; only masks are drawn")
        boundaries = False
    failures = predict_folder(
        Predictor(model, config.data, class_map, boundaries=boundaries),
        options.images,
        options.out,
        options.threshold,
        options.json,
        _say,
    )
    return 1 if failures else 0


def validate(options) -> int:
    """List all that is wrong with an annotation file, by image and annotation."""
    from tfmask.config import DataConfig
    from tfmask.data.problems import ERROR
    from tfmask.data.validate import validate_dataset

    problems, unusable = validate_dataset(
        options.annotations,
        options.images,
        DataConfig(
            exif=options.exif,
            channels=options.channels,
            value_range=options.value_range,
        ),
    )
    for problem in problems:
        print(problem)
    errors = sum(problem.severity == ERROR for problem in problems)
    left_out = " (left out in training)" if errors and not unusable else ""
    end = f"; cannot be trained on: {unusable}" if unusable else ""
    print(
        f"{options.annotations}: {errors} errors{left_out}, "
        f"{len(problems) - errors} warnings{end}"
    )
    if unusable:
        return 1
    return 1 if options.strict and errors else 0


def convert(options) -> int:
    """Bring the weights of another project into a file of tfmask's own."""
    config = read_config(options.config, [])
    start_tensorflow()
    from tfmask.weights import convert as converter

    converter.convert(options.source, options.format, config, options.out, log=_say)
    return 0


def demo(options) -> int:
    """Generate data, train on it with a stop and a resume, evaluate, and draw."""
    from tfmask.cli.demo import run_demo

    return run_demo(Path(options.output), options.quick)


def recipes(options) -> int:
    """List the recipes, each with a line that says what it is."""
    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {recipe_summary(name)}")
    return 0


def tables(options) -> int:
    """Print the tables of the papers with the recipe of each row."""
    if options.json:
        print(json.dumps(tables_as_data(options.paper), indent=2))
    else:
        print(format_tables(options.paper))
    return 0


# --- shared ---------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, flush=True)


def _progress(done: int, total: int) -> None:
    """A counter that stays on its line on a terminal; nothing in a log file."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)


def _classes_of(config: Config, which: str) -> ClassMap:
    from tfmask.data.readers import load_dataset

    return load_dataset(
        getattr(config.data, which),
        getattr(config.data, f"{which}_images"),
        config.data,
        log=_say,
    ).class_map
