"""Exported models beside the Python model, on photographs, in a process without tfmask.

    python benchmarks/export_parity.py DATA [--only WORD] [--serve-with PYTHON]

DATA: a folder of COCO form. Six architectures, each by its recipe but with a ResNet-10
of a quarter of the width and 32 channels, learn its photographs for some steps, are
exported, and run on three of them, of different sizes. After so few steps all scores
are alike, so what predicts them is drawn at random: otherwise the best 30 would be
chosen by rounding. For each format that is installed the largest deviations over all
detections. Exit code 1 if one exceeds its tolerance: boxes 1e-2 px, scores 1e-4, IoU of
masks 0.999, where pixels whose value is one half to within 1e-4 may fall on either
side.
"""

import argparse
import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path

import common

common.quiet()
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

RECIPES = {
    "Mask R-CNN": ("mask_rcnn/detectron2_r50",),
    "MR R-CNN": ("mr_rcnn/r50",),
    "BMask R-CNN": ("bmask_rcnn/r50",),
    "IEMask R-CNN": ("iemask_rcnn/r50",),
    "MaskPlus+": ("maskplus/maskplus_plus_r101", "model.mask.context.filters=64,32"),
    "Mask Scoring": ("mask_scoring/r50",),
}
SMALL = """
    model.backbone.depth=10 model.backbone.width=16 model.backbone.norm=bn
    model.backbone.freeze_at=0 model.neck.channels=32 model.rpn.channels=32
    model.rpn.post_nms_train=200 model.rpn.post_nms_test=100 model.roi.batch=64
    model.boxes.head.fc_units=128 model.mask.head.channels=32
    model.postprocess.score_threshold=0 model.postprocess.max_detections=30
    data.short_side=192 data.max_side=320 data.eval_short_side=192
    data.eval_max_side=320 data.mask_resolution=56
    train.batch_size=2 train.base_batch=2 train.warmup_steps=5 train.clip_norm=10
    train.learning_rate=0.01 train.tensorboard=false
""".split()
# Each with what runs it, and the file that this is given.
FORMATS = {
    "saved_model": ("tensorflow", None),
    "openvino": ("openvino", "model.xml"),
    "onnx": ("onnxruntime", "model.onnx"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--only", default="", help="architectures with this word")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument(
        "--folder",
        help="keep runs and models there; runs that are there are not trained again",
    )
    parser.add_argument(
        "--serve-with",
        default=sys.executable,
        metavar="PYTHON",
        help="that runs the SavedModels: perhaps of another TensorFlow",
    )
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary).resolve()
        for name, recipe in RECIPES.items():
            if options.only.lower() in name.lower():
                rows += measure(name, recipe, folder / name, options)
    common.print_table(rows, list(rows[0]))
    return 0 if all(row["holds"] for row in rows) else 1


def measure(name, recipe, folder: Path, options) -> list[dict]:
    """A row for each format."""
    import tensorflow as tf
    from export.export_cases import (
        run_apart,
        run_by_runtime_apart,
        tell_scores_apart,
    )
    from export.parity import compare, worst

    from tfmask.cli.model import load_model
    from tfmask.cli.settings import read_config
    from tfmask.data.images.read import read_image
    from tfmask.evaluation.predictor import Predictor
    from tfmask.export import saved_model
    from tfmask.export.limits import Limits
    from tfmask.training import trainer
    from tfmask.weights.load import read_class_map

    run = folder / "run"
    settings = [f"data.train={options.data}", f"train.output={run}"]
    settings.append(f"train.steps={options.steps}")
    config = read_config(recipe[0], [*SMALL, *recipe[1:], *settings])
    trainer.train(config, resume=True, log=lambda line: None)
    class_map = read_class_map(str(run))
    model = load_model(config, str(run), class_map)
    tell_scores_apart(model)
    files = photographs(Path(options.data) / "images")
    images = [read_image(str(file)) for file in files]
    predictions = Predictor(model, config.data, class_map).predict(images)
    work = (model, config.data, class_map)
    rows = []
    for form, (package, file) in FORMATS.items():
        if importlib.util.find_spec(package) is None:
            continue
        if form == "saved_model":
            path = saved_model.export(
                *work, folder / form, limits=Limits(full_masks=True)
            )
            contents = [file.read_bytes() for file in files]
            request = (path, "image_bytes", contents)
            (answer,) = run_apart([request], folder, options.serve_with)
            assert "error" not in answer, answer["error"]
            answers = [(answer, row) for row in range(len(files))]
        else:
            path = importlib.import_module(f"tfmask.export.{form}").export(
                *work, folder / form
            )
            results = run_by_runtime_apart(package, path / file, images, folder)
            answers = [(answer, 0) for answer in results]
        parity = worst(
            [compare(*a, p, class_map) for a, p in zip(answers, predictions)]
        )
        size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        rows.append(
            {
                "model": name,
                "format": form,
                "TensorFlow": tf.__version__,
                **parity._asdict(),
                "MB": size / 1e6,
                "holds": parity.holds(),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def photographs(folder: Path) -> list[Path]:
    """The smallest, the middle and the largest one."""
    import cv2

    sizes = {path: cv2.imread(str(path)).size for path in sorted(folder.iterdir())}
    ordered = sorted(sizes, key=lambda path: sizes[path])
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


if __name__ == "__main__":
    sys.exit(main())
