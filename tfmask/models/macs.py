"""Multiply-accumulates of a model: what papers print as its FLOPs.

They are counted on the graph, operation by operation, so that a new part needs no
formula of its own. Convolutions and matrix products count, nothing else does; products
with constants, as interpolation is made of, do not. A transposed convolution counts its
input positions, and the mask predictor every class, as the papers do.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tfmask.models.box_stages import pooled_shapes
from tfmask.models.mask_branch import MaskRoIs

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
    rois = rois or model.boxes.select.max_detections
    proposals = model.proposals.selection.post_nms_test
    sides = [-(-side // _STRIDE) * _STRIDE for side in (height, width)]

    def count(function, *inputs):
        return count_macs(function, *inputs, bias_adds=bias_adds)

    def maps(layer):
        return {
            name: _floats(
                1, *(-(-side // spec.stride) for side in sides), spec.channels
            )
            for name, spec in layer.output_spec.items()
        }

    def trunk(backbone, neck, prefix):
        image = _floats(1, *sides, model.normalization.channels)
        yield PartMacs(f"{prefix}backbone", count(backbone, image), 1)
        yield PartMacs(f"{prefix}neck", count(neck, maps(backbone)), 1)

    own, levels = model.proposals.neck, maps(model.neck)
    head = model.proposals.head
    parts = [
        *trunk(model.backbone, model.neck, ""),
        *(trunk(model.proposals.backbone, own, "rpn_") if own is not None else ()),
        PartMacs("rpn_head", count(head, list(maps(own or model.neck).values())), 1),
    ]
    for stage in model.boxes.stages:
        shapes = pooled_shapes(stage.head, _shapes(levels, model.neck.roi_levels))
        pooled = {name: _floats(1, *shape[1:]) for name, shape in shapes.items()}
        parts.append(PartMacs(stage.head.name, count(stage.head, pooled), proposals))
    parts += _mask_parts(model, count, levels, proposals, rois)
    return ModelMacs(tuple(parts), proposals, rois)


def _mask_parts(model, count, levels, proposals, rois) -> list[PartMacs]:
    """The mask branch, and the refining module where there is one."""
    base, refinement = model.masks, model.refinement
    bins = base.head.roi_specs["mask"].size
    channels = levels[model.neck.roi_levels[0]].shape[-1]
    label = tf.TensorSpec([1], tf.int32)
    roi = MaskRoIs(_floats(1, 4), label, label)
    image_sizes = tf.TensorSpec([1, 2], tf.int32)
    hidden = _floats(1, bins, bins, base.head.channels)
    parts, scene = [], 0
    if base.context is not None:
        # Once per image, and so not in the cost of a roi.
        scene = count(base.context.context, _floats(1, bins, bins, channels))
        parts.append(PartMacs("contextual_fusion", scene, 1))

    def branch_cost(branch):
        def run(features, roi, image_sizes, hidden):
            return branch.run(
                features,
                roi,
                image_sizes,
                training=False,
                earlier=hidden,
                judge=base,
                every_class=True,
            )

        cost = count(run, levels, roi, image_sizes, hidden)
        return cost - (scene if branch.context is not None else 0)

    if refinement is None:
        return [*parts, PartMacs("mask_branch", branch_cost(base), rois)]

    def read(features, roi, image_sizes):
        return refinement.read(model.branches(), features, roi, image_sizes, True)

    # A candidate is read with the base's mask: the mask branch is part of the reading.
    every = refinement.candidates == "proposals"
    cost = count(read, levels, roi, image_sizes) - scene
    parts.append(PartMacs("refine_boxes", cost, proposals if every else rois))
    masks = branch_cost(refinement.masks or base)
    return [*parts, PartMacs("refine_masks", masks, rois)]


def _shapes(levels: dict, names) -> dict:
    return {name: tuple(levels[name].shape) for name in names}


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
