"""Multiply-accumulates of a model: what papers print as its FLOPs.

They are counted on the graph, operation by operation, so that a new part needs no
formula of its own. Convolutions and matrix products count, nothing else does; products
with constants, as interpolation is made of, do not. A transposed convolution counts its
input positions, as the papers do.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tfmask.models.mask_branch import MaskRoIs
from tfmask.models.rcnn import LEVELS

_CONVOLUTIONS = ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative")
_PRODUCTS = ("MatMul", "_FusedMatMul", "BatchMatMul", "BatchMatMulV2")
_COUNTED = (*_CONVOLUTIONS, *_PRODUCTS, "Conv2DBackpropInput")
_STRIDE = 32  # of the coarsest backbone stage


class PartMacs(NamedTuple):
    """A part of a model, the cost of running it once, and how often it is run."""

    name: str
    each: int
    times: int


class ModelMacs(NamedTuple):
    """The cost of one image at inference."""

    parts: tuple[PartMacs, ...]
    proposals: int  # boxes that the box head reads
    rois: int  # detections that get a mask

    @property
    def total(self) -> int:
        return sum(part.each * part.times for part in self.parts)


def count_macs(function, *inputs, bias_adds: bool = False) -> int:
    """Multiply-accumulates of a function of tensors.

    Args:
      function: anything that `tf.function` can trace, e.g. a layer.
      *inputs: nested structures of tf.TensorSpec, one for each argument. An unknown
        first dimension counts as one: the result is for one example, or one roi.
      bias_adds: add one for each number that a bias is added to.

    Raises:
      ValueError: an operation of unknown shape, or in a loop or a branch, whose number
        of runs is unknown.
    """
    graph = tf.function(function).get_concrete_function(*inputs).graph
    for inner in graph.as_graph_def().library.function:
        hidden = [node.op for node in inner.node_def if node.op in _COUNTED]
        if hidden:
            raise ValueError(
                f"{inner.signature.name}: {hidden[0]} in a loop, a branch or a nested "
                "function: expected all operations in one graph"
            )
    operations = graph.get_operations()
    total = sum(_macs(op) for op in operations if op.type in _COUNTED)
    if bias_adds:
        total += sum(_size(op.outputs[0]) for op in operations if _adds_bias(op))
    return total


def model_macs(
    model, height: int, width: int, rois: int | None = None, bias_adds: bool = False
) -> ModelMacs:
    """The cost of one image at inference, part by part.

    Args:
      model: a built GeneralizedRCNN.
      height: of the image, before padding to a multiple of 32.
      width: of the image.
      rois: detections; default the most that the settings allow.
      bias_adds: see `count_macs`.
    """
    settings = model.settings
    rois = rois or settings.postprocess.max_detections
    proposals = settings.rpn.post_nms_test
    sides = [-(-side // _STRIDE) * _STRIDE for side in (height, width)]
    channels, bins = settings.neck.channels, settings.box.pool_size
    pyramid = {name: (int(name[1:]), channels) for name in LEVELS}
    stages = {name: (int(name[1:]), c) for name, c in model.backbone.channels.items()}

    def count(function, *inputs):
        return count_macs(function, *inputs, bias_adds=bias_adds)

    def maps(levels):
        return {
            name: _floats(1, *(-(-side // 2**level) for side in sides), number)
            for name, (level, number) in levels.items()
        }

    levels = maps(pyramid)
    box_head = count(model.box_head, _floats(1, bins, bins, channels))
    parts = (
        PartMacs("backbone", count(model.backbone, _floats(1, *sides, 3)), 1),
        PartMacs("neck", count(model.neck, maps(stages)), 1),
        PartMacs("rpn_head", count(model.rpn_head, list(levels.values())), 1),
        PartMacs("box_head", box_head, proposals),
        *_mask_parts(model, count, levels, proposals, rois),
    )
    return ModelMacs(parts, proposals, rois)


def _mask_parts(model, count, levels, proposals, rois) -> list[PartMacs]:
    """The mask branch, and the refining module where there is one."""
    settings, base, refiner = model.settings, model.mask_branch, model.refiner
    bins, channels = settings.mask.pool_size, settings.neck.channels
    label = tf.TensorSpec([1], tf.int32)
    roi = MaskRoIs(_floats(1, 4), label, label)
    image_sizes = tf.TensorSpec([1, 2], tf.int32)
    hidden = _floats(1, bins, bins, settings.mask.channels)
    parts, scene = [], 0
    if base.context is not None:
        # Once an image, and so not in the cost of a roi.
        scene = count(base.context.context, _floats(1, bins, bins, channels))
        parts.append(PartMacs("contextual_fusion", scene, 1))

    def branch_cost(branch):
        def run(features, roi, image_sizes, hidden):
            return branch.run(features, roi, image_sizes, False, earlier=hidden)

        cost = count(run, levels, roi, image_sizes, hidden)
        return cost - (scene if branch.context is not None else 0)

    if refiner is None:
        return [*parts, PartMacs("mask_branch", branch_cost(base), rois)]
    # A candidate is read with the base's mask: the mask branch is part of the reading.
    every = settings.refine.candidates == "proposals"
    read = count(refiner.read, levels, roi, image_sizes) - scene
    parts.append(PartMacs("refine_boxes", read, proposals if every else rois))
    return [*parts, PartMacs("refine_masks", branch_cost(refiner.masks or base), rois)]


def _floats(*shape) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.float32)


def _macs(op) -> int:
    """Multiply-accumulates of one counted operation."""
    if op.type in _CONVOLUTIONS:
        kernel, outputs = _shape(op.inputs[1]), _size(op.outputs[0])
        if op.type == "DepthwiseConv2dNative":
            return outputs * kernel[0] * kernel[1]
        # A grouped convolution has the channels of one group in its kernel.
        return outputs * math.prod(kernel[:3])
    if op.type == "Conv2DBackpropInput":
        kernel, inputs = _shape(op.inputs[1]), _size(op.inputs[2])
        return inputs * math.prod(kernel[:3])
    if "Const" in {factor.op.type for factor in op.inputs}:
        return 0
    left, batched = _shape(op.inputs[0]), op.type.startswith("Batch")
    transposed = op.get_attr("adj_x" if batched else "transpose_a")
    return _size(op.outputs[0]) * left[-2 if transposed else -1]


def _adds_bias(op) -> bool:
    """Whether an operation adds a variable to a convolution or a product."""
    if op.type == "BiasAdd":
        return True
    if op.type not in ("Add", "AddV2"):
        return False
    for value, other in (op.inputs, reversed(op.inputs)):
        if value.op.type in _COUNTED:
            source = other.op
            while source.type in ("Reshape", "ExpandDims", "Cast", "Identity"):
                source = source.inputs[0].op
            return source.type == "ReadVariableOp"
    return False


def _size(tensor) -> int:
    return math.prod(_shape(tensor))


def _shape(tensor) -> list[int]:
    """The static shape; an unknown first dimension is one."""
    shape = tensor.shape
    if shape.rank is None or any(side is None for side in shape[1:]):
        raise ValueError(
            f"{tensor.name}: shape {shape}: expected a known one, the first dimension "
            "apart"
        )
    return [1 if side is None else side for side in shape.as_list()]
