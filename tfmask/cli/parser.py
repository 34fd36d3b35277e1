"""The arguments of every command. Takes no TensorFlow, so that help is instant."""

import argparse

import tfmask
from tfmask.cli import commands, export


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments as a namespace; `run` is the function of the command.

    Overrides may stand before and after options; argparse alone wants them together.
    """
    parser = build_parser()
    options, rest = parser.parse_known_args(argv)
    unknown = [text for text in rest if text.startswith("-") or "=" not in text]
    if unknown or (rest and "overrides" not in options):
        parser.error(f"unrecognized arguments: {' '.join(unknown or rest)}")
    if rest:
        options.overrides = [*options.overrides, *rest]
    return options


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="tfmask", description="Instance segmentation for TensorFlow and Keras."
    )
    parser.add_argument("--version", action="version", version=tfmask.__version__)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _train,
        _evaluate,
        _predict,
        _validate,
        _convert,
        _export,
        _serve,
        _batch,
        _benchmark,
        _demo,
        _recipes,
        _tables,
    ):
        add(subparsers)
    return parser


def _command(subparsers, name: str, run) -> argparse.ArgumentParser:
    """A subcommand whose help is the first paragraph of its function's docstring."""
    text = run.__doc__.split("\n\n")[0]
    summary = " ".join(text.split())
    parser = subparsers.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def _config_arguments(parser) -> None:
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a recipe (file, or name as in `tfmask recipes`), or a run's config.json",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="path=value",
        help="settings that differ from the recipe, e.g. train.steps=1000",
    )


def _load_argument(parser) -> None:
    parser.add_argument(
        "--load",
        required=True,
        metavar="PATH",
        help="a run folder (its best weights), a checkpoint, or a weight file",
    )


def _train(subparsers) -> None:
    parser = _command(subparsers, "train", commands.train)
    _config_arguments(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration, the parameters and the cost, and stop",
    )
    parser.add_argument(
        "--image-size",
        type=_size,
        default=(800, 1333),
        metavar="HxW",
        help="--dry-run: count the cost for images of this size (default 800x1333)",
    )
    parser.add_argument(
        "--rois",
        type=_count,
        metavar="N",
        help="--dry-run: and for this many detections (default: the most there can be)",
    )
    parser.add_argument("--output", metavar="DIR", help="the same as train.output=DIR")


def _evaluate(subparsers) -> None:
    parser = _command(subparsers, "evaluate", commands.evaluate)
    _config_arguments(parser)
    _load_argument(parser)
    parser.add_argument(
        "--results", metavar="FILE", help="also write the results, COCO format"
    )
    parser.add_argument(
        "--metrics", metavar="FILE", help="also write the figures, as JSON"
    )


def _predict(subparsers) -> None:
    parser = _command(subparsers, "predict", commands.predict)
    parser.add_argument("config", metavar="CONFIG", help="as for `tfmask train`")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE|FOLDER", help="images, or folders of them"
    )
    _load_argument(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the overlays"
    )
    parser.add_argument(
        "--json", action="store_true", help="also write DIR/results.json, COCO format"
    )
    parser.add_argument(
        "--threshold",
        type=_fraction,
        default=0.5,
        metavar="SCORE",
        help="draw detections from this score on (default 0.5)",
    )
    parser.add_argument(
        "--show",
        choices=("boundary",),
        help="also draw the boundaries that a boundary-preserving mask head predicts",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="path=value",
        help="a setting that differs from the recipe; may be given repeatedly",
    )


def _validate(subparsers) -> None:
    parser = _command(subparsers, "validate", commands.validate)
    parser.add_argument(
        "annotations",
        metavar="ANNOTATIONS",
        help="COCO instances JSON, or a folder with annotations.json and images/",
    )
    parser.add_argument(
        "--images", default="", metavar="DIR", help="image folder (default: images/)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="end with 1 if there is any error"
    )
    parser.add_argument(
        "--exif",
        choices=("auto", "apply", "ignore"),
        default="auto",
        help="how images with an orientation tag are read (default auto)",
    )


def _convert(subparsers) -> None:
    parser = _command(subparsers, "convert", commands.convert)
    parser.add_argument("source", metavar="SRC", help="weight file of another project")
    parser.add_argument(
        "--from", required=True, dest="format", metavar="FORMAT", help="its format"
    )
    parser.add_argument(
        "--config", required=True, metavar="CONFIG", help="recipe of the model"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="the .tfmask.h5 file to write"
    )


def _export(subparsers) -> None:
    parser = _command(subparsers, "export", export.export)
    _config_arguments(parser)
    _load_argument(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the model's versions"
    )
    parser.add_argument(
        "--version",
        type=_count,
        metavar="N",
        help="subfolder (default: one more than the highest there)",
    )
    parser.add_argument(
        "--format",
        choices=export.FORMATS,
        default="saved_model",
        help="for TensorFlow Serving (the default), OpenVINO, ONNX or LiteRT",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        help="what the model computes in (default: train.precision; ONNX and LiteRT: "
        "float32 alone)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        metavar="HxW",
        help="every image has this size (default: any; LiteRT needs one)",
    )
    parser.add_argument(
        "--max-pixels",
        type=_count,
        default=export.MAX_PIXELS,
        metavar="N",
        help="larger images are refused (default %(default)s)",
    )
    parser.add_argument(
        "--max-detections", type=_count, metavar="N", help="of each image"
    )
    parser.add_argument(
        "--score-threshold",
        type=_fraction,
        metavar="SCORE",
        help="detections score more than this",
    )
    parser.add_argument(
        "--full-masks",
        action="store_true",
        help="also give masks on the pixels of the image",
    )


def _serve(subparsers) -> None:
    parser = _command(subparsers, "serve", export.serve)
    parser.add_argument("folder", metavar="DIR", help="as `tfmask export` wrote it")
    parser.add_argument("--port", type=_count, default=8501, help="default 8501")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1: this machine alone)",
    )
    parser.add_argument(
        "--name", default="tfmask", help="of the model in addresses (default tfmask)"
    )


def _batch(subparsers) -> None:
    parser = _command(subparsers, "batch", export.batch)
    parser.add_argument("folder", metavar="DIR", help="as `tfmask export` wrote it")
    parser.add_argument(
        "images",
        metavar="PATTERN",
        help="image files, or TFRecord files of tf.train.Example, e.g. 'photos/**.jpg'",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the results"
    )
    parser.add_argument(
        "--shard-size",
        type=_count,
        default=500,
        metavar="N",
        help="image files of each file of results (default 500); a TFRecord is one",
    )
    parser.add_argument(
        "--workers", type=_count, metavar="N", help="processes on this machine"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of Beam, e.g. runner=FlinkRunner; may be given repeatedly",
    )


def _benchmark(subparsers) -> None:
    parser = _command(subparsers, "benchmark", export.benchmark)
    parser.add_argument(
        "model",
        metavar="CONFIG|DIR",
        help="a recipe, a run's config.json, or the folder of an exported model",
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="path=value", help="of a CONFIG"
    )
    parser.add_argument(
        "--load", metavar="PATH", help="weights of a CONFIG (default: random ones)"
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=(800, 1333),
        metavar="HxW",
        help="of the images (default 800x1333)",
    )
    parser.add_argument(
        "--batch", type=_count, default=1, metavar="N", help="images at once"
    )
    parser.add_argument(
        "--runs", type=_count, default=20, metavar="N", help="runs that are timed"
    )
    parser.add_argument("--json", action="store_true", help="as data")


def _demo(subparsers) -> None:
    parser = _command(subparsers, "demo", commands.demo)
    parser.add_argument(
        "--output",
        default="runs/demo",
        metavar="DIR",
        help="folder for data, run and pictures (default runs/demo)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few steps on a few images: shows that it works, learns nothing",
    )


def _recipes(subparsers) -> None:
    _command(subparsers, "recipes", commands.recipes)


def _tables(subparsers) -> None:
    parser = _command(subparsers, "tables", commands.tables)
    parser.add_argument(
        "paper",
        nargs="?",
        default="",
        metavar="PAPER",
        help="only this paper, by a part of its name, e.g. maskplus (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="as data")


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise argparse.ArgumentTypeError(
            f"{text}: expected HEIGHTxWIDTH in pixels, e.g. 800x1333"
        )
    return int(height), int(width)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: expected a positive number")
    return int(text)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 to 1")
    return value
