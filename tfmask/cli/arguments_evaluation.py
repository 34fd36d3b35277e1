"""Arguments of what runs or judges a model."""

from tfmask.cli import commands, report
from tfmask.cli.argument_types import count, fraction
from tfmask.cli.arguments import command, config_arguments, load_argument


def add_evaluate(subparsers) -> None:
    parser = command(subparsers, "evaluate", commands.evaluate)
    config_arguments(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    load_argument(source, required=False)
    source.add_argument(
        "--compare",
        nargs=2,
        metavar=("A.json", "B.json"),
        help="run no model: two results files on data.val, and what B differs by",
    )
    parser.add_argument(
        "--results", metavar="FILE", help="also write the results, COCO format"
    )
    parser.add_argument(
        "--metrics", metavar="FILE", help="also write the figures, as JSON"
    )
    _cityscapes_argument(parser)
    parser.add_argument(
        "--images",
        metavar="FILE",
        help="no figures: write the results on the images of FILE, which needs no "
        "annotations (image_info_test-dev2017.json), for a test server; the images lie "
        "in data.val_images",
    )
    parser.add_argument(
        "--algorithm",
        default="tfmask",
        metavar="NAME",
        help="--images without --results: the file is called "
        "detections_SET_NAME_results.json (default tfmask)",
    )
    parser.add_argument(
        "--csv", metavar="FILE", help="also write the figures, a line for each"
    )
    parser.add_argument(
        "--per-class",
        action="store_true",
        help="--csv: a line for each class in place of the figures of all",
    )
    _tile_arguments(parser)


def add_predict(subparsers) -> None:
    parser = command(subparsers, "predict", commands.predict)
    parser.add_argument("config", metavar="CONFIG", help="as for `tfmask train`")
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|FOLDER|JSON",
        help="images, folders of them, or an annotation file or image list: then the "
        "results have its image ids",
    )
    load_argument(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the overlays"
    )
    parser.add_argument(
        "--json", action="store_true", help="also write DIR/results.json, COCO format"
    )
    parser.add_argument(
        "--threshold",
        type=fraction,
        default=0.5,
        metavar="SCORE",
        help="draw detections from this score on (default 0.5)",
    )
    _cityscapes_argument(parser)
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
        help="a setting that differs from the recipe; may be given repeatedly, and "
        "stand without --set",
    )
    parser.set_defaults(overrides=[])
    _tile_arguments(parser)


def add_report(subparsers) -> None:
    parser = command(subparsers, "report", report.report)
    parser.add_argument(
        "first", metavar="RUN", help="a run folder, or a results file (COCO format)"
    )
    parser.add_argument(
        "second", nargs="?", metavar="OTHER_RUN", help="what it is compared with"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="path=value",
        help="settings that differ from the run's, e.g. data.val=FOLDER",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="the page, report.html for one"
    )
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help="of a results file: a recipe or config.json (default: the one beside it)",
    )
    parser.add_argument(
        "--threshold",
        type=fraction,
        default=0.5,
        metavar="SCORE",
        help="count and draw detections from this score on (default 0.5)",
    )
    parser.add_argument(
        "--images",
        type=count,
        default=6,
        metavar="N",
        help="so many of the worst and of the best images are shown (default 6)",
    )
    parser.add_argument(
        "--draws",
        type=count,
        default=1000,
        metavar="N",
        help="of the bootstrap over images (default 1000)",
    )


def _cityscapes_argument(parser) -> None:
    parser.add_argument(
        "--cityscapes",
        metavar="DIR",
        help="also write the results as the server of Cityscapes takes them",
    )


def _tile_arguments(parser) -> None:
    parser.add_argument(
        "--tile",
        type=count,
        metavar="PIXELS",
        help="cut larger images into squares; the same as evaluation.tile=PIXELS",
    )
    parser.add_argument(
        "--overlap",
        type=count,
        metavar="PIXELS",
        help="that neighbours share; the same as evaluation.overlap=PIXELS",
    )
