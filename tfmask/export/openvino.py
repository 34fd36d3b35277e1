"""Writing a model for OpenVINO: image in, detections and masks out.

OpenVINO's TensorFlow front end reads the frozen graph. RoIAlign, which TensorFlow does
not have, is traced as one operation for each pooling (`ops._roi_sampling.as_one_op`)
and becomes OpenVINO's own; NonMaxSuppression and loops the front end maps itself.
Nothing falls back to TensorFlow. Operations that OpenVINO is known to run wrongly are
written as others.
"""

import os
import tempfile
from pathlib import Path

import tensorflow as tf

from tfmask.config import DataConfig
from tfmask.errors import ExportError
from tfmask.export.limits import Limits, check_pixels
from tfmask.export.runtimes import check, freeze_with_roi_align, new_folder
from tfmask.export.saved_model import version_folder
from tfmask.structures import ClassMap

# To be given to OpenVINO when a model is compiled. It reads no precision from the model
# itself, and not told, it computes in bfloat16 on a CPU with AVX512-BF16 or AMX.
HINTS = {
    precision: {"INFERENCE_PRECISION_HINT": short}
    for precision, short in (
        ("float32", "f32"),
        ("bfloat16", "bf16"),
        ("float16", "f16"),
    )
}


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
    """Writes `folder/<version>/model.xml` with `model.bin` beside it.

    That is the layout of OpenVINO Model Server too. The input `input_tensor` is
    `[1, H, W, 3]` uint8; the outputs have the names of the SavedModel's.

    Args:
      model: models.rcnn.GeneralizedRCNN in float32, with trained weights.
      data: how images are resized and padded.
      class_map: which label is which category.
      folder: of all versions of the model.
      version: a positive number; default one more than the highest there.
      limits: `size` where it is fixed; OpenVINO cannot refuse what is too large.
      precision: what OpenVINO is to compute in, recorded as `compile_options` of
        `tfmask.json` for those who compile the model; `float16` also stores weights so.
      facts: for the record, plain data.

    Raises:
      ExportError: openvino is not installed; images other than 8-bit RGB; full masks
        are asked for; the version is there already; a category id that float32 does not
        hold; an operation that OpenVINO does not have.
    """
    check_pixels(data)
    target, limits = version_folder(folder, version), limits or Limits()
    check(class_map, limits, "OpenVINO")
    converted = convert(model, data, class_map, limits)
    openvino = _openvino()
    known = {
        "openvino": openvino.__version__,
        "precision": precision,
        "compile_options": HINTS[precision],
        "size": limits.size,
    }
    with new_folder(target, class_map, known | (facts or {})) as temporary:
        openvino.save_model(
            converted,
            str(temporary / "model.xml"),
            compress_to_fp16=precision == "float16",
        )
    return target


def convert(model, data: DataConfig, class_map: ClassMap, limits: Limits):
    """The model as an `openvino.Model`; see `export`."""
    _openvino()
    return convert_graph(
        freeze_with_roi_align(model, data, class_map, limits, "OpenVINO")
    )


def convert_graph(frozen):
    """A graph of one input as an `openvino.Model`, outputs named as they were.

    Args:
      frozen: export.freeze.FrozenModel, whose graph is changed.

    Raises:
      ExportError: openvino is not installed; an operation that it does not have.
    """
    openvino = _openvino()
    from openvino.frontend.tensorflow import ConversionExtension

    pool_instead_of_slicing(frozen.graph_def)
    constants = _constant_outputs(frozen)
    names = {k: v for k, v in frozen.output_names.items() if k not in constants}
    with tempfile.TemporaryDirectory() as temporary:
        graph = os.path.join(temporary, "frozen.pb")
        with open(graph, "wb") as file:
            file.write(frozen.graph_def.SerializeToString())
        try:
            converted = openvino.convert_model(
                graph,
                extension=[ConversionExtension("CropAndResize", _roi_align)],
                output=list(names.values()),
            )
        except RuntimeError as error:  # all that OpenVINO raises
            raise ExportError(
                f"OpenVINO {openvino.__version__} does not convert this model: {error}"
            ) from None
    copy_rows_of_unlike_bounds(converted)
    gather_from_one_image(converted)
    for output, name in zip(converted.outputs, names):
        output.get_tensor().set_names({name})
    converted.add_results(list(constants.values()))
    converted.inputs[0].get_tensor().set_names({"input_tensor"})
    return converted


def _constant_outputs(frozen) -> dict:
    """What does not depend on the input, as results by name: the front end drops it."""
    from openvino import opset15 as ops

    nodes = {node.name: node for node in frozen.graph_def.node}
    results = {}
    for name, tensor in frozen.output_names.items():
        node = nodes[tensor.split(":")[0]]
        if node.op == "Const":
            constant = ops.constant(tf.make_ndarray(node.attr["value"].tensor))
            constant.output(0).get_tensor().set_names({name})
            results[name] = ops.result(constant)
    return results


def pool_instead_of_slicing(graph_def) -> None:
    """Writes `x[:, ::2, ::2]` as a pooling of single cells.

    To OpenVINO (2025.4, 2026.4) a slice of a side of which only a least length of one
    is known is as long as what it was sliced from, whatever the steps, so that the
    coarsest level gets the anchors of the level before
    (github.com/openvinotoolkit/openvino, pull request 37932).

    Args:
      graph_def: frozen, changed in place.
    """
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    for node in graph_def.node:
        if node.op != "StridedSlice" or node.input[3] not in constants:
            continue
        steps = tf.make_ndarray(constants[node.input[3]].attr["value"].tensor)
        if steps.tolist() != [1, 2, 2]:
            continue
        dtype = node.attr["T"].type
        node.op = "MaxPool"
        node.ClearField("attr")
        del node.input[1:]
        node.attr["T"].type = dtype
        node.attr["ksize"].list.i.extend([1, 1, 1, 1])
        node.attr["strides"].list.i.extend([1, 2, 2, 1])
        node.attr["padding"].s = b"VALID"


def copy_rows_of_unlike_bounds(model) -> None:
    """Keeps sums from being compiled for numbers of rows that they do not have.

    OpenVINO bounds the number of rois where it can, differently on different ways to
    the same rois. Its CPU plugin (2025.4, 2026.4) crashes in a fused sum of two such
    tensors; a copy row by row between has no bound, and the sum is not fused.

    Args:
      model: openvino.Model, changed in place.
    """
    from openvino import opset15 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() not in ("Add", "Subtract", "Multiply", "Divide"):
            continue
        shapes = [node.get_input_partial_shape(i) for i in range(2)]
        if any(shape.rank.is_dynamic or not len(shape) for shape in shapes):
            continue
        rows = [shape[0] for shape in shapes]
        if len(shapes[0]) != len(shapes[1]) or not all(r.is_dynamic for r in rows):
            continue
        if rows[0].get_max_length() == rows[1].get_max_length():
            continue
        source = node.input_value(1)
        first = ops.constant(0, dtype="int64")
        count = ops.gather(ops.shape_of(source), first, first)
        index = ops.range(first, count, ops.constant(1, dtype="int64"), "i64")
        node.input(1).replace_source_output(ops.gather(source, index, first).output(0))


def gather_from_one_image(model) -> None:
    """Takes the batch axis of one image from the gathers that have one.

    Of a static `[1, N, C]` with C from 2 to 16, the CPU plugin's kernel for gathers
    with a batch axis (2025.4, 2026.4) reads the first rows elsewhere, or crashes.

    Args:
      model: openvino.Model of one image, changed in place.
    """
    from openvino import opset15 as ops

    for node in model.get_ordered_ops():
        if node.get_attributes().get("batch_dims") != 1:
            continue
        data, indices, axis = node.input_values()
        rows = data.get_partial_shape()[0]
        if rows.is_dynamic or rows.get_length() != 1:
            continue
        indices = ops.squeeze(indices, ops.constant([0], dtype="int64"))
        node.output(0).replace(ops.gather(data, indices, axis).output(0))


def _openvino():
    try:
        import openvino
    except ImportError:
        raise ExportError(
            "openvino is not installed: pip install 'tfmask[openvino]'"
        ) from None
    return openvino


def _roi_align(node):
    """OpenVINO's RoIAlign for what `as_one_op` traced."""
    from openvino import opset15 as ops

    features, boxes, images, grid = (node.get_input(i) for i in range(4))
    size = int(grid.get_node().get_data()[0])
    code = node.get_attribute("extrapolation_value")
    ratio = int(code)
    channels_first = ops.constant([0, 3, 1, 2], dtype="int64")
    pooled = ops.roi_align(
        ops.transpose(features, channels_first),
        boxes,
        images,
        size,
        size,
        ratio,
        1.0,
        "avg",
        aligned_mode="half_pixel_for_nn" if code > ratio else "asymmetric",
    )
    channels_last = ops.constant([0, 2, 3, 1], dtype="int64")
    return ops.transpose(pooled, channels_last).outputs()
