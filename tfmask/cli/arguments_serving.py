"""Arguments of export and what comes after it."""

from tfmask.cli import export
from tfmask.cli.argument_types import count, fraction, size
from tfmask.cli.arguments import command, config_arguments, load_argument


def add_export(subparsers) -> None:
    parser = command(subparsers, "export", export.export)
    config_arguments(parser)
    load_argument(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the model's versions"
    )
    parser.add_argument(
        "--version",
        type=count,
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
        type=size,
        metavar="HxW",
        help="every image has this size (default: any; LiteRT needs one)",
    )
    parser.add_argument(
        "--max-pixels",
        type=count,
        default=export.MAX_PIXELS,
        metavar="N",
        help="larger images are refused (default %(default)s)",
    )
    parser.add_argument(
        "--max-detections", type=count, metavar="N", help="of each image"
    )
    parser.add_argument(
        "--score-threshold",
        type=fraction,
        metavar="SCORE",
        help="detections score more than this",
    )
    parser.add_argument(
        "--full-masks",
        action="store_true",
        help="also give masks on the pixels of the image",
    )


def add_serve(subparsers) -> None:
    parser = command(subparsers, "serve", export.serve)
    parser.add_argument("folder", metavar="DIR", help="as `tfmask export` wrote it")
    parser.add_argument("--port", type=count, default=8501, help="default 8501")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1: this machine alone)",
    )
    parser.add_argument(
        "--name", default="tfmask", help="of the model in addresses (default tfmask)"
    )


def add_batch(subparsers) -> None:
    parser = command(subparsers, "batch", export.batch)
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
        type=count,
        default=500,
        metavar="N",
        help="image files of each file of results (default 500); a TFRecord is one",
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes on this machine"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of Beam, e.g. runner=FlinkRunner; may be given repeatedly",
    )


def add_benchmark(subparsers) -> None:
    parser = command(subparsers, "benchmark", export.benchmark)
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
        type=size,
        default=(800, 1333),
        metavar="HxW",
        help="of the images (default 800x1333)",
    )
    parser.add_argument(
        "--batch", type=count, default=1, metavar="N", help="images at once"
    )
    parser.add_argument(
        "--runs", type=count, default=20, metavar="N", help="runs that are timed"
    )
    parser.add_argument("--json", action="store_true", help="as data")
