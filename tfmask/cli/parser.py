"""The arguments of every command. Takes no TensorFlow, so that help is instant."""

import argparse

import tfmask
from tfmask.cli import (
    arguments_data,
    arguments_evaluation,
    arguments_serving,
    commands,
)
from tfmask.cli.argument_types import count, size
from tfmask.cli.arguments import command, config_arguments


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
        arguments_evaluation.add_evaluate,
        arguments_evaluation.add_predict,
        arguments_evaluation.add_report,
        arguments_data.add_validate,
        arguments_data.add_augment,
        _convert,
        arguments_data.add_convert_dataset,
        arguments_serving.add_export,
        arguments_serving.add_serve,
        arguments_serving.add_batch,
        arguments_serving.add_benchmark,
        _demo,
        _recipes,
        _tables,
    ):
        add(subparsers)
    return parser


def _train(subparsers) -> None:
    parser = command(subparsers, "train", commands.train)
    config_arguments(parser)
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
        type=size,
        default=(800, 1333),
        metavar="HxW",
        help="--dry-run: count the cost for images of this size (default 800x1333)",
    )
    parser.add_argument(
        "--rois",
        type=count,
        metavar="N",
        help="--dry-run: and for this many detections (default: the most there can be)",
    )
    parser.add_argument("--output", metavar="DIR", help="the same as train.output=DIR")


def _convert(subparsers) -> None:
    parser = command(subparsers, "convert", commands.convert)
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


def _demo(subparsers) -> None:
    parser = command(subparsers, "demo", commands.demo)
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
    command(subparsers, "recipes", commands.recipes)


def _tables(subparsers) -> None:
    parser = command(subparsers, "tables", commands.tables)
    parser.add_argument(
        "paper",
        nargs="?",
        default="",
        metavar="PAPER",
        help="only this paper, by a part of its name, e.g. maskplus (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="as data")
    parser.add_argument(
        "--measured",
        action="append",
        default=[],
        metavar="RECIPE=PATH",
        help="beside the published figures, those of a run folder's last evaluation or "
        "of a file of `tfmask evaluate --metrics`; can be repeated",
    )
