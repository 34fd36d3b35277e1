"""What is written for other runtimes than TensorFlow: one image in, detections out."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

import tfmask
from tfmask.config import DataConfig
from tfmask.errors import ExportError
from tfmask.export.freeze import FrozenModel, freeze, inference
from tfmask.export.limits import Limits
from tfmask.export.module import Detector, padded_size
from tfmask.export.saved_model import FACTS, LABEL_MAP, check_ids, label_map_text
from tfmask.ops._roi_sampling import as_one_op
from tfmask.structures import ClassMap


def check(class_map: ClassMap, limits: Limits, runtime: str) -> None:
    """Refuses what no other runtime gets.

    Args:
      class_map: which label is which category.
      limits: of the export.
      runtime: its name, for the message.

    Raises:
      ExportError: full masks are asked for; a category id that float32 does not hold.
    """
    if limits.full_masks:
        raise ExportError(
            f"full masks are not written for {runtime}: expected them to be pasted by "
            "the client, from detection_masks"
        )
    check_ids(class_map)


def check_float32(precision: str, runtime: str) -> None:
    """Refuses another precision; raises ExportError."""
    if precision != "float32":
        raise ExportError(
            f"--precision {precision}: expected float32 for {runtime}, or --format "
            "saved_model or openvino"
        )


def freeze_with_roi_align(
    model, data: DataConfig, class_map: ClassMap, limits: Limits, runtime: str
) -> FrozenModel:
    """The graph from `[1, H, W, 3]` uint8 to results, for a runtime with RoIAlign.

    Each RoIAlign is one CropAndResize, see `ops._roi_sampling.as_one_op`.

    Raises:
      ExportError: pooling that needs the samples of a RoIAlign one by one; a part that
        crops and resizes itself, as deformable convolutions do.
    """
    module = model.refinement
    refines = module is not None and module.box_head is not None
    if refines and module.pooling != "plain" and not module.roi_pooling.sampling_ratio:
        raise ExportError(
            "model.pool.sampling_ratio=0 with shape-aware pooling: expected a fixed "
            f"number of samples for {runtime}, e.g. 2, or --format saved_model"
        )
    with as_one_op():
        frozen = freeze_detector(model, data, class_map, limits)
    for node in frozen.graph_def.node:
        if node.op == "CropAndResize" and node.attr["method"].s != b"nearest":
            raise ExportError(
                f"{runtime} does not have CropAndResize, which a part of this model "
                "needs (deformable convolutions do): expected --format saved_model"
            )
    return frozen


def freeze_detector(
    model, data: DataConfig, class_map: ClassMap, limits: Limits
) -> FrozenModel:
    """The graph from `[1, H, W, 3]` uint8 to `export.results.to_original`'s names."""
    sides = padded_size(limits.size, data) if limits.size else (None, None)
    detector = Detector(inference(model, 1, *sides)[0], data, class_map, limits)
    images = tf.TensorSpec([1, *(limits.size or (None, None)), 3], tf.uint8)
    return freeze(detector.run, [images])


@contextlib.contextmanager
def new_folder(target: Path, class_map: ClassMap, facts: dict):
    """A folder to write a model's files to, which becomes `target` in the end.

    The label map and `tfmask.json` are written too. After an error nothing is left.

    Args:
      target: that is not there yet, see `saved_model.version_folder`.
      class_map: which label is which category.
      facts: for the record, plain data.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield temporary
        text = label_map_text(class_map)
        (temporary / LABEL_MAP).write_text(text, encoding="utf-8")
        classes = dict(zip(map(str, class_map.ids), class_map.names))
        known = {"tfmask": tfmask.__version__, "tensorflow": tf.__version__}
        text = json.dumps(known | {"classes": classes} | facts, indent=2) + "\n"
        (temporary / FACTS).write_text(text, encoding="utf-8")
        os.chmod(temporary, 0o755)  # mkdtemp gives 0700
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
