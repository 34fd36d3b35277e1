"""Arguments of the commands for data."""

from tfmask.cli import commands
from tfmask.cli.argument_types import count, position, value_range
from tfmask.cli.arguments import command, config_arguments
from tfmask.cli.augment import augment


def add_validate(subparsers) -> None:
    parser = command(subparsers, "validate", commands.validate)
    parser.add_argument(
        "annotations",
        metavar="ANNOTATIONS",
        help="COCO instances JSON, a folder with annotations.json and images/, or "
        "TFRecords",
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
    parser.add_argument(
        "--stats",
        action="store_true",
        help="also print the instances per class and image, their sizes and overlaps",
    )
    parser.add_argument("--json", action="store_true", help="print all as data")
    parser.add_argument(
        "--channels",
        type=count,
        default=3,
        metavar="N",
        help="as data.channels (default 3)",
    )
    parser.add_argument(
        "--value-range",
        type=value_range,
        default=(),
        metavar="LOW,HIGH",
        help="as data.value_range",
    )


def add_augment(subparsers) -> None:
    parser = command(subparsers, "augment", augment)
    config_arguments(parser)
    parser.add_argument(
        "--output", required=True, metavar="FILE.png", help="the picture to write"
    )
    parser.add_argument(
        "--examples",
        type=count,
        default=12,
        metavar="N",
        help="default 12",
    )
    parser.add_argument(
        "--start",
        type=position,
        default=0,
        metavar="N",
        help="position of the first one in the training stream (default 0)",
    )
    parser.add_argument(
        "--columns",
        type=count,
        default=4,
        metavar="N",
        help="in a row (default 4)",
    )
    parser.add_argument(
        "--side",
        type=count,
        default=480,
        metavar="N",
        help="pixels of an example's longer side in the picture (default 480)",
    )


def add_convert_dataset(subparsers) -> None:
    parser = command(subparsers, "convert-dataset", commands.convert_dataset)
    parser.add_argument(
        "format", metavar="FORMAT", help="of the source, e.g. cityscapes"
    )
    parser.add_argument("source", metavar="SOURCE", help="the file or folder")
    parser.add_argument(
        "--output", required=True, metavar="OUT", help="what is to be written"
    )
    parser.add_argument(
        "--to", default="coco", metavar="FORMAT", help="of the output (default coco)"
    )
    parser.add_argument(
        "--images", default="", metavar="DIR", help="image folder (default: the usual)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="write nothing if there is any error"
    )
