"""What each command does. Everything that needs TensorFlow is imported inside."""

import dataclasses
import json
import sys
from pathlib import Path

from tfmask.cli.judge import compare_results, figure_rows, write_csv
from tfmask.cli.measured import read_measured
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
    why_random_trunk,
)
from tfmask.errors import ConfigError
from tfmask.files import write_atomically

_COCO_CLASSES = 80  # what published parameter counts are for


def train(options) -> int:
    """Train a model, evaluate it, and keep checkpoints, logs and the best weights."""
    overrides = list(options.overrides)
    if options.output:
        overrides.append(f"train.output={options.output}")
    if options.dry_run:
        return _dry_run(options, read_config(options.config, overrides))
    config = read_config(options.config, overrides)
    from tfmask.data.sets import training_places

    training_places(config.data)  # a forgotten one is said at once
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
        from tfmask.data.sets import load_training

        found = load_training(config.data, log=_say).class_map
        settings.num_classes = found.num_classes
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
    why = why_random_trunk(config)
    if why and not config.train.random_trunk:
        print(f"\n`tfmask train` refuses this: {why}")
    return 0


def evaluate(options) -> int:
    """Evaluate weights on data.val and print the figures."""
    config = read_config(options.config, [*options.overrides, *_tiling(options)])
    if options.images:
        start_tensorflow()
        from tfmask.cli.test_server import write_server_results

        return write_server_results(options, config, _say, _progress)
    from tfmask.data.sets import load_validation, no_place

    if not config.data.val:
        raise no_place("val")
    if options.compare:
        return compare_results(options, config)
    start_tensorflow()
    from tfmask.evaluation.choose import make_predictor
    from tfmask.evaluation.metrics import find_metric, limit_note
    from tfmask.evaluation.results import write_results
    from tfmask.weights.load import read_class_map

    known = read_class_map(options.load)
    dataset = load_validation(config.data, known, log=_say)
    metric = find_metric(config.evaluation, dataset)
    note = limit_note(dataset, config.model.postprocess.max_detections)
    if note and not config.evaluation.tile:
        _say(note)
    model = load_model(config, options.load, dataset.class_map)
    predictor = make_predictor(model, config, dataset.class_map)
    results, judged = predictor.run_dataset(
        dataset, config.evaluation.batch_size, _progress, _say
    )
    if options.results:
        write_results(options.results, results)
        _say(f"{len(results)} results -> {options.results}")
    if options.cityscapes:
        _write_cityscapes(options.cityscapes, judged, results)
    figures = metric.compute(judged, results, config.evaluation)
    if options.metrics:
        text = json.dumps(metric.to_json(figures), indent=2) + "\n"
        write_atomically(options.metrics, text)
        _say(f"figures -> {options.metrics}")
    if options.csv:
        write_csv(options.csv, figure_rows(figures, options.per_class))
        _say(f"figures -> {options.csv}")
    _say(metric.format(figures))
    return 0


def _write_cityscapes(folder: str, dataset, results: list[dict]) -> None:
    from tfmask.evaluation.cityscapes_results import CityscapesResults

    of_image: dict = {record.image_id: [] for record in dataset.images}
    for result in results:
        of_image[result["image_id"]].append(result)
    written = CityscapesResults(folder, dataset.class_map)
    for image_id, found in of_image.items():
        written.add(image_id, found)
    _say(f"{written.count} text files with their masks -> {folder}")


def predict(options) -> int:
    """Find the objects on images and write overlays."""
    # A setting may stand among the images, unless there is such a file.
    among = [t for t in options.images if "=" in t and not Path(t).exists()]
    inputs = [text for text in options.images if text not in among]
    overrides = [*options.settings, *among, *options.overrides, *_tiling(options)]
    config = read_config(options.config, overrides)
    if not inputs:
        raise ConfigError("IMAGE: expected images, or folders of them")
    start_tensorflow()
    from tfmask.evaluation.choose import make_predictor
    from tfmask.evaluation.cityscapes_results import CityscapesResults
    from tfmask.evaluation.folder import predict_folder
    from tfmask.weights.load import read_class_map

    class_map = read_class_map(options.load) or numbered_classes(config)
    model = load_model(config, options.load, class_map)
    boundaries = options.show == "boundary"
    if boundaries and "boundary" not in model.masks.terms:
        _say("--show boundary: this model predicts no boundaries; only masks are drawn")
        boundaries = False
    cityscapes = None
    if options.cityscapes:
        cityscapes = CityscapesResults(options.cityscapes, class_map)
    failures = predict_folder(
        make_predictor(model, config, class_map, boundaries=boundaries),
        inputs,
        options.out,
        options.threshold,
        options.json,
        _say,
        cityscapes=cityscapes,
    )
    return 1 if failures else 0


def validate(options) -> int:
    """List all that is wrong with an annotation file, by image and annotation."""
    from tfmask.config import DataConfig
    from tfmask.data.problems import ERROR
    from tfmask.data.statistics import format_statistics, statistics
    from tfmask.data.validate import check_dataset

    _start_for_records(options.annotations)
    (problems, unusable), dataset = check_dataset(
        options.annotations,
        options.images,
        DataConfig(
            exif=options.exif,
            channels=options.channels,
            value_range=options.value_range,
        ),
    )
    errors = sum(problem.severity == ERROR for problem in problems)
    figures = statistics(dataset) if options.stats and dataset is not None else None
    code = 1 if unusable or (options.strict and errors) else 0
    if options.json:
        value = {"problems": [p._asdict() for p in problems], "unusable": unusable}
        print(json.dumps({**value, "statistics": figures}, indent=2))
        return code
    for problem in problems:
        print(problem)
    if figures is not None:
        print(format_statistics(figures))
    left_out = " (left out in training)" if errors and not unusable else ""
    end = f"; cannot be trained on: {unusable}" if unusable else ""
    print(
        f"{options.annotations}: {errors} errors{left_out}, "
        f"{len(problems) - errors} warnings{end}"
    )
    return code


def convert(options) -> int:
    """Bring the weights of another project into a file of tfmask's own."""
    config = read_config(options.config, [])
    start_tensorflow()
    from tfmask.weights import convert as converter

    converter.convert(options.source, options.format, config, options.out, log=_say)
    return 0


def convert_dataset(options) -> int:
    """Bring a data set of another format into COCO JSON."""
    from tfmask.data.convert import convert as converter

    _start_for_records(options.source, options.to)
    converter.convert_dataset(
        options.format,
        options.source,
        options.output,
        images=options.images,
        target=options.to,
        strict=options.strict,
        log=_say,
    )
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
        print(format_tables(options.paper, read_measured(options.measured)))
    return 0


# --- shared ---------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, flush=True)


def _tiling(options) -> list[str]:
    """The settings that --tile and --overlap stand for."""
    return [
        f"evaluation.{name}={getattr(options, name)}"
        for name in ("tile", "overlap")
        if getattr(options, name) is not None
    ]


def _progress(done: int, total: int) -> None:
    """A counter that stays on its line on a terminal; nothing in a log file."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)


def _start_for_records(path: str, target: str = "") -> None:
    """Starts TensorFlow quietly where TFRecords are read or written."""
    from tfmask.data.tfrecord.shards import looks_like_shards

    if target == "tfrecord" or looks_like_shards(path):
        start_tensorflow()
