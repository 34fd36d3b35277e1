"""Writing a model as an ONNX file: image in, detections and masks out.

tf2onnx reads the frozen graph. RoIAlign, which TensorFlow does not have, is traced as
one operation for each pooling (`ops._roi_sampling.as_one_op`) and becomes ONNX's own;
all else are operations of the standard set too, so that any runtime of the opset will
do.
"""

from pathlib import Path

from tfmask.config import DataConfig
from tfmask.errors import ExportError
from tfmask.export.limits import Limits, check_pixels
from tfmask.export.runtimes import (
    check,
    check_float32,
    freeze_with_roi_align,
    new_folder,
)
from tfmask.export.saved_model import version_folder
from tfmask.structures import ClassMap

FILE = "model.onnx"
OPSET = 18  # from 16 on RoiAlign has half-pixel coordinates


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
    """Writes `folder/<version>/model.onnx`.

    The input `input_tensor` is `[1, H, W, 3]` uint8; the outputs have the names of the
    SavedModel's.

    Args:
      model: models.rcnn.GeneralizedRCNN in float32, with trained weights.
      data: how images are resized and padded.
      class_map: which label is which category.
      folder: of all versions of the model.
      version: a positive number; default one more than the highest there.
      limits: `size` where it is fixed; an ONNX file cannot refuse what is too large.
      precision: float32 alone.
      facts: for the record, plain data.

    Raises:
      ExportError: tf2onnx is not installed; full masks or another precision are asked
        for; the version is there already; a category id that float32 does not hold; an
        operation that ONNX does not have.
    """
    check_pixels(data)
    target, limits = version_folder(folder, version), limits or Limits()
    check(class_map, limits, "ONNX")
    check_float32(precision, "ONNX")
    converted = convert(model, data, class_map, limits)
    known = {"opset": OPSET, "precision": precision, "size": limits.size}
    with new_folder(target, class_map, known | (facts or {})) as temporary:
        (temporary / FILE).write_bytes(converted.SerializeToString())
    return target


def convert(model, data: DataConfig, class_map: ClassMap, limits: Limits):
    """The model as an `onnx.ModelProto`; see `export`."""
    try:
        from tf2onnx import convert as tf2onnx
    except ImportError as error:
        raise ExportError(
            f"{error.name} is not installed: pip install 'tfmask[onnx]'"
        ) from None
    frozen = freeze_with_roi_align(model, data, class_map, limits, "ONNX")
    names = {tensor: name for name, tensor in frozen.output_names.items()}
    converted, _ = tf2onnx.from_graph_def(
        frozen.graph_def,
        name="tfmask",
        input_names=frozen.input_names,
        output_names=list(names),
        opset=OPSET,
        custom_op_handlers={"CropAndResize": (_roi_align, [])},
        tensors_to_rename=names | {frozen.input_names[0]: "input_tensor"},
    )
    standard = {"", "ai.onnx"}
    foreign = sorted(
        {n.op_type for n in _nodes(converted.graph) if n.domain not in standard}
    )
    if foreign:
        raise ExportError(
            f"ONNX opset {OPSET} does not have {', '.join(foreign)}, which a part of "
            "this model needs: expected --format saved_model"
        )
    return converted


def _nodes(graph):
    """All of a graph, those of its loops and branches too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, attribute.g):
                yield from _nodes(inner)


def _roi_align(context, node, name, _args):
    """ONNX's RoiAlign for what `as_one_op` traced."""
    code = node.get_attr_value("extrapolation_value")
    size = int(node.inputs[3].get_tensor_value()[0])
    features, boxes, images = node.input[:3]
    shapes = [context.get_shape(output) for output in node.output]
    types = [context.get_dtype(output) for output in node.output]
    context.remove_node(node.name)
    ratio = int(code)
    channels_first = context.make_node(
        "Transpose", [features], attr={"perm": [0, 3, 1, 2]}
    )
    index = context.make_node("Cast", [images], attr={"to": 7})  # TensorProto.INT64
    pooled = context.make_node(
        "RoiAlign",
        [channels_first.output[0], boxes, index.output[0]],
        attr={
            "mode": "avg",
            "output_height": size,
            "output_width": size,
            "sampling_ratio": ratio,
            "spatial_scale": 1.0,
            "coordinate_transformation_mode": (
                "half_pixel" if code > ratio else "output_half_pixel"
            ),
        },
    )
    context.make_node(
        "Transpose",
        [pooled.output[0]],
        attr={"perm": [0, 2, 3, 1]},
        name=name,
        outputs=node.output,
        shapes=shapes,
        dtypes=types,
    )
