"""Arguments that commands have in common."""

import argparse


def command(subparsers, name: str, run) -> argparse.ArgumentParser:
    """A subcommand whose help is the first paragraph of its function's docstring."""
    text = run.__doc__.split("\n\n")[0]
    summary = " ".join(text.split())
    parser = subparsers.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def config_arguments(parser) -> None:
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


def load_argument(parser, required: bool = True) -> None:
    options: dict = {"required": True} if required else {}
    parser.add_argument(
        "--load",
        **options,
        metavar="PATH",
        help="a run folder (its best weights), a checkpoint, or a weight file",
    )
