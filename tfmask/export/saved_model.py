"""Writing a model as a SavedModel that stock TensorFlow Serving runs."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import tfmask
from tfmask.config import DataConfig
from tfmask.errors import ExportError
from tfmask.export.freeze import check_stock, freeze, inference
from tfmask.export.limits import Limits, check_pixels
from tfmask.export.module import ServingModule, padded_size
from tfmask.export.warmup import write_requests
from tfmask.structures import ClassMap

LABEL_MAP = "label_map.pbtxt"
FACTS = "tfmask.json"  # under assets.extra
# Detection classes are float32, as the Object Detection API has them.
_MAX_ID = 1 << 24


def export(
    model,
    data: DataConfig,
    class_map: ClassMap,
    folder,
    *,
    version: int | None = None,
    limits: Limits | None = None,
    precision: str = "float32",
    facts: dict | None = None,
) -> Path:
    """Writes `folder/<version>`: signatures, label map and warm-up requests.

    Args:
      model: models.rcnn.GeneralizedRCNN with trained weights.
      data: how images are resized and padded.
      class_map: which label is which category.
      folder: of all versions of the model, as TensorFlow Serving wants it.
      version: a positive number; default one more than the highest there.
      limits: sizes and outputs.
      precision: what the model computes in, for the record.
      facts: more for the record, plain data.

    Returns:
      The folder of the version. It is written under another name and renamed.

    Raises:
      ExportError: images other than 8-bit RGB; the version is there already; a category
        id that float32 does not hold; an operation that plain TensorFlow does not have.
    """
    check_pixels(data)
    target, limits = version_folder(folder, version), limits or Limits()
    check_ids(class_map)
    sides = padded_size(limits.size, data) if limits.size else (None, None)
    module = ServingModule(
        freeze(*inference(model, None, *sides)), data, class_map, limits
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    # TensorFlow Serving looks at whole numbers alone.
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with tempfile.TemporaryDirectory() as assets:
            label_map = Path(assets) / LABEL_MAP
            label_map.write_text(label_map_text(class_map), encoding="utf-8")
            module.label_map = tf.saved_model.Asset(str(label_map))
            tf.saved_model.save(module, str(temporary), signatures=module.endpoints)
        check_saved(temporary)
        extra = temporary / "assets.extra"
        extra.mkdir()
        write_requests(str(extra), _warmup(limits))
        known = {
            "tfmask": tfmask.__version__,
            "tensorflow": tf.__version__,
            "precision": precision,
            "size": limits.size,
            "max_pixels": limits.max_pixels,
            "classes": dict(zip(map(str, class_map.ids), class_map.names)),
        }
        (extra / FACTS).write_text(
            json.dumps(known | (facts or {}), indent=2) + "\n", encoding="utf-8"
        )
        os.chmod(temporary, 0o755)  # mkdtemp gives 0700
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def version_folder(folder, version: int | None) -> Path:
    """`folder/<version>`, or the next one; refuses one that is there."""
    folder = Path(folder)
    if version is None:
        numbers = [int(p.name) for p in folder.glob("*") if p.name.isdecimal()]
        version = max(numbers, default=0) + 1
    target = folder / str(version)
    if target.exists():
        raise ExportError(f"{target}: exists; expected another --version or --out")
    return target


def latest_version(folder, files: tuple = ("saved_model.pb",)) -> Path:
    """The folder with a model's file: the given one, or that of its highest version.

    Args:
      folder: of a version, or of all.
      files: names, one of which a model has.

    Raises:
      ExportError: there is none.
    """
    folder = Path(folder)
    numbers = [int(p.name) for p in folder.glob("*") if p.name.isdecimal()]
    for path in (folder, *(folder / str(n) for n in sorted(numbers, reverse=True))):
        if any((path / name).exists() for name in files):
            return path
    raise ExportError(
        f"{folder}: no {' or '.join(files)} in it or in a numbered folder of it"
    )


def check_saved(folder) -> None:
    """Refuses a SavedModel with operations that plain TensorFlow does not have."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((Path(folder) / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        check_stock(graph.graph_def)


def label_map_text(class_map: ClassMap) -> str:
    """The classes as a StringIntLabelMap of the Object Detection API."""
    items = [
        f"item {{\n  id: {number}\n  name: {json.dumps(name)}\n}}\n"
        for number, name in zip(class_map.ids, class_map.names)
    ]
    return "".join(items)


def check_ids(class_map: ClassMap) -> None:
    """Refuses category ids that float32 does not hold; raises ExportError."""
    for number in class_map.ids:
        if not isinstance(number, int) or not 0 <= number < _MAX_ID:
            raise ExportError(
                f"category id {number!r}: expected a whole number from 0 to "
                f"{_MAX_ID - 1}, which float32 holds exactly"
            )


def _warmup(limits: Limits) -> list:
    """A request for each signature."""
    height, width = limits.size or (480, 640)
    image = np.full((height, width, 3), 127, np.uint8)
    file = tf.io.encode_jpeg(image).numpy()
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))
    example = tf.train.Example(
        features=tf.train.Features(feature={"image/encoded": feature})
    )
    return [
        ("serving_default", "input_tensor", image[None]),
        ("image_bytes", "image_bytes", [file]),
        ("tf_example", "tf_example", [example.SerializeToString()]),
    ]
