"""The golden cases of IEMask R-CNN's neck, of HRNet, and of deformable convolution."""

import re

import numpy as np
import tensorflow as tf
from golden.compare import DEEP, OP, Row, relative
from golden.operations import nchw
from golden.recipe import Case

from tfmask.layers.naming import named_weights
from tfmask.necks.iefpn import IEFPN
from tfmask.ops.deform_conv import deform_conv2d

# Our layer -> the release's, in patterns; the first that matches.
_IEFPN = (
    (r"(fpn_lateral2|fpn_output\d)", r"\1"),
    (r"(fpn_lateral\d)", r"\1.1"),
    (r"channel_enhancement(\d)/reduce", r"fpn_lateral\1.0.fc.0"),
    (r"channel_enhancement(\d)/expand", r"fpn_lateral\1.0.fc.2"),
    (r"global_information/conv1", "gimdoule.conv.0"),
    (r"global_information/conv2", "gimdoule.conv.1"),
    (r"global_information/project", "gimdoule.conv1"),
    (r"global_fusion", "conv3"),
    (r"bottom_up_down", "down"),
    (r"bottom_up_output", "conv1"),
    (r"adaptive_fusion/first", "weight1.0"),
    (r"adaptive_fusion/first/norm", "weight1.1"),
    (r"adaptive_fusion/second", "weight2.0"),
    (r"adaptive_fusion/second/norm", "weight2.1"),
    (r"adaptive_fusion/excitation/reduce", "weight.0.fc.0"),
    (r"adaptive_fusion/excitation/expand", "weight.0.fc.2"),
    (r"adaptive_fusion/scores", "weight.1"),
)
_WEIGHTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def iemask_fpn(case: Case) -> list[Row]:
    # The release never calls the convolution of Eq. 12, which it has.
    neck = IEFPN(convolve_before_fusion=False)
    height, width = case.expected["p2"].shape[2:]
    kind = case.name.removeprefix("iemask_fpn_")
    inputs = {}
    for i in range(2, 6):
        shape = (1, 64 * 2**i, height >> (i - 2), width >> (i - 2))
        value = case.normal(f"iefpn/{kind}/res{i}", shape)
        inputs[f"c{i}"] = value.transpose(0, 2, 3, 1)
    neck.build({name: value.shape for name, value in inputs.items()})
    _load(neck, case, "iefpn/", _IEFPN, unused=r"conv2\..*")
    outputs = neck(inputs)
    return [
        relative(name, nchw(outputs[name])[:, ::16], stored, DEEP)
        for name, stored in case.expected.items()
    ]


def deform_conv(case: Case) -> list[Row]:
    def nhwc(value):
        return tf.constant(value.transpose(0, 2, 3, 1))

    features = nhwc(case.normal("deform/features", (2, 16, 20, 24)))
    offsets = nhwc(np.float32(1.5) * case.normal("deform/offsets", (2, 18, 20, 24)))
    mask = nhwc(case.uniform("deform/mask", (2, 9, 20, 24)))
    name = "deform/conv.weight"
    kernel = case._replace(shapes={name: (12, 16, 3, 3)}).parameters()[name]
    kernel = tf.constant(kernel.transpose(2, 3, 1, 0))
    results = {
        "v1": deform_conv2d(features, offsets, kernel),
        "v2": deform_conv2d(features, offsets, kernel, modulation=mask),
        "v1_stride2": deform_conv2d(features, offsets[:, ::2, ::2], kernel, 2),
    }
    return [
        relative(name, nchw(value), case.expected[name], OP)
        for name, value in results.items()
    ]


def _load(layer, case: Case, prefix: str, names, unused: str) -> None:
    """Gives a layer the case's parameters, drawn under a prefix."""
    shapes = {prefix + name: shape for name, shape in case.shapes.items()}
    arrays = case._replace(shapes=shapes).parameters()
    arrays = {name.removeprefix(prefix): value for name, value in arrays.items()}
    for path, weight in named_weights(layer).items():
        value = arrays.pop(_name_of(path, names))
        if path.endswith("kernel"):
            # A linear layer is a 1x1 convolution here.
            value = value.reshape(*value.shape[:2], *(value.shape[2:] or (1, 1)))
            value = value.transpose(2, 3, 1, 0)
        weight.assign(np.ascontiguousarray(value))
    left = [name for name in arrays if not re.fullmatch(unused, name)]
    assert not left, f"{case.name}: {left} have no place"


def _name_of(path, names):
    layer, _, weight = path.rpartition("/")
    for pattern, name in names:
        match = re.fullmatch(pattern, layer)
        if match:
            return f"{match.expand(name)}.{_WEIGHTS[weight]}"
    raise AssertionError(f"{path}: no name")
