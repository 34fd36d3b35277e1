"""Writing a model for LiteRT (TensorFlow Lite): image in, detections and masks out.

All becomes LiteRT's built-in operations, so that its interpreter alone runs the file,
without any part of TensorFlow. RoIAlign is traced as gathers (`ops._roi_gathers`);
suppression, loops and branches are built in. Images have one size.
"""

import re
from pathlib import Path

import tensorflow as tf

from tfmask.config import DataConfig
from tfmask.errors import ExportError
from tfmask.export.limits import Limits, check_pixels
from tfmask.export.runtimes import (
    check,
    check_float32,
    freeze_detector,
    new_folder,
)
from tfmask.export.saved_model import version_folder
from tfmask.ops._roi_gathers import as_gathers
from tfmask.structures import ClassMap

FILE = "model.tflite"


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
    """Writes `folder/<version>/model.tflite`.

    Its signature `serving_default` takes `input_tensor` `[1, H, W, 3]` uint8; the
    outputs have the names of the SavedModel's.

    Args:
      model: models.rcnn.GeneralizedRCNN in float32, with trained weights.
      data: how images are resized and padded.
      class_map: which label is which category.
      folder: of all versions of the model.
      version: a positive number; default one more than the highest there.
      limits: with the `size` of all images.
      precision: float32 alone.
      facts: for the record, plain data.

    Raises:
      ExportError: no size; full masks or another precision are asked for; an adaptive
        number of samples of RoIAlign; the version is there already; a category id that
        float32 does not hold; an operation that LiteRT does not have.
    """
    check_pixels(data)
    target, limits = version_folder(folder, version), limits or Limits()
    check(class_map, limits, "LiteRT")
    check_float32(precision, "LiteRT")
    content = convert(model, data, class_map, limits)
    known = {"precision": precision, "size": limits.size}
    with new_folder(target, class_map, known | (facts or {})) as temporary:
        (temporary / FILE).write_bytes(content)
    return target


def convert(model, data: DataConfig, class_map: ClassMap, limits: Limits) -> bytes:
    """The model as a file's content; see `export`."""
    if limits.size is None:
        raise ExportError("images of any size for LiteRT: expected --size HxW")
    poolings = [model.boxes.pooling, model.masks.pooling]
    if model.refinement is not None:
        poolings.append(model.refinement.roi_pooling)
    if not all(pooling.sampling_ratio for pooling in poolings):
        raise ExportError(
            "model.pool.sampling_ratio=0: expected a fixed number of samples for "
            "LiteRT, e.g. model.pool.sampling_ratio=2, or another --format"
        )
    with as_gathers():
        frozen = freeze_detector(model, data, class_map, limits)
    only_built_in(frozen.graph_def)

    def detect(input_tensor):
        return frozen(input_tensor)

    images = tf.TensorSpec([1, *limits.size, 3], tf.uint8, "input_tensor")
    traced = tf.function(detect, input_signature=[images], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()], frozen
    )
    try:
        return converter.convert()
    except Exception as error:  # the class has no public name
        missing = sorted(set(re.findall(r"\btf\.([A-Z]\w+)\(", str(error))))
        if not missing:
            raise
        raise ExportError(
            f"LiteRT does not have {', '.join(missing)}, which a part of this model "
            "needs: expected another --format"
        ) from None


def only_built_in(graph_def) -> None:
    """Says in LiteRT's operations what TensorFlow says in others.

    Args:
      graph_def: changed in place.
    """
    for node in [*graph_def.node]:
        if node.op == "MaxPool" and node.attr["padding"].s == b"EXPLICIT":
            _pad_before(graph_def, node)
        elif node.op == "Pad" and node.attr["T"].type == tf.uint8.as_datatype_enum:
            _pad_as_int32(graph_def, node)
        elif node.op == "EnsureShape":
            _reshape(graph_def, node)


def _pad_before(graph_def, pool) -> None:
    """A border of the least number, and pooling without one."""
    sides = pool.attr["explicit_paddings"].list.i
    border = [[sides[2 * i], sides[2 * i + 1]] for i in range(4)]
    dtype = tf.as_dtype(pool.attr["T"].type)
    padded = graph_def.node.add(name=f"{pool.name}/padded", op="PadV2")
    padded.input.append(pool.input[0])
    for name, value, of in (("border", border, tf.int32), ("least", dtype.min, dtype)):
        padded.input.append(_constant(graph_def, f"{pool.name}/{name}", value, of))
    padded.attr["T"].type = dtype.as_datatype_enum
    padded.attr["Tpaddings"].type = tf.int32.as_datatype_enum
    pool.input[0] = padded.name
    pool.attr["padding"].s = b"VALID"
    del pool.attr["explicit_paddings"]


def _pad_as_int32(graph_def, pad) -> None:
    """Bytes cannot be padded; whole numbers can."""
    uint8, int32 = tf.uint8.as_datatype_enum, tf.int32.as_datatype_enum
    wide = graph_def.node.add(name=f"{pad.name}/wide", op="Cast")
    wide.input.append(pad.input[0])
    padded = graph_def.node.add(name=f"{pad.name}/padded", op="Pad")
    padded.input.extend([wide.name, pad.input[1]])
    padded.attr["Tpaddings"].CopyFrom(pad.attr["Tpaddings"])
    padded.attr["T"].type = int32
    pad.op = "Cast"  # under the old name, for those who read it
    pad.ClearField("attr")
    del pad.input[:]
    pad.input.append(padded.name)
    for cast, source, target in ((wide, uint8, int32), (pad, int32, uint8)):
        cast.attr["SrcT"].type, cast.attr["DstT"].type = source, target


def _reshape(graph_def, ensured) -> None:
    """An asserted shape as a reshape, which the converter reads the shape from."""
    shape = tf.TensorShape(ensured.attr["shape"].shape)
    sides = [-1 if side is None else side for side in shape.as_list()]
    if sides.count(-1) > 1:
        return
    name = _constant(graph_def, f"{ensured.name}/shape", sides, tf.int32)
    ensured.op = "Reshape"
    del ensured.attr["shape"]
    ensured.attr["Tshape"].type = tf.int32.as_datatype_enum
    ensured.input.insert(1, name)


def _constant(graph_def, name: str, value, dtype) -> str:
    node = graph_def.node.add(name=name, op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
    return name
