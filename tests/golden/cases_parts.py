"""The golden cases of IEMask R-CNN's neck, of HRNet, and of deformable convolution."""

import numpy as np
import tensorflow as tf
from golden.compare import DEEP, OP, Row, relative
from golden.heads import load_head
from golden.operations import nchw
from golden.recipe import Case

from tfmask.backbones.hrnet import HRNet
from tfmask.config import HRNetConfig, IEFPNConfig
from tfmask.configs import lineages
from tfmask.necks.iefpn import IEFPN
from tfmask.ops.deform_conv import deform_conv2d


def iemask_fpn(case: Case) -> list[Row]:
    # The release never calls the convolution of Eq. 12, which it has.
    settings = lineages.detectron2().model
    settings.neck = IEFPNConfig(convolve_before_fusion=False)
    neck = IEFPN(**settings.neck.arguments(), name="neck")
    height, width = case.expected["p2"].shape[2:]
    kind = case.name.removeprefix("iemask_fpn_")
    inputs = {}
    for i in range(2, 6):
        shape = (1, 64 * 2**i, height >> (i - 2), width >> (i - 2))
        value = case.normal(f"iefpn/{kind}/res{i}", shape)
        inputs[f"c{i}"] = value.transpose(0, 2, 3, 1)
    neck.build({name: value.shape for name, value in inputs.items()})
    load_head(neck, case, settings, "detectron2", "iefpn/", "backbone.")
    outputs = neck(inputs)
    return [
        relative(name, nchw(outputs[name])[:, ::16], stored, DEEP)
        for name, stored in case.expected.items()
    ]


def hrnet(case: Case) -> list[Row]:
    settings = lineages.torchvision().model  # pixels as HRNet's trunks have them
    settings.backbone = HRNetConfig()
    trunk = HRNet(**settings.backbone.arguments(), name="backbone")
    image = case.normal("hrnet/image", (1, 3, 128, 160)).transpose(0, 2, 3, 1)
    trunk.build(image.shape)
    load_head(trunk, case, settings, "hrnet", "hrnet/", "")
    outputs = trunk(image)
    return [
        relative(
            f"branch{i}",
            nchw(outputs[f"c{i + 2}"])[:, :: 4 if i < 2 else 8],
            case.expected[f"branch{i}"],
            DEEP,
        )
        for i in range(4)
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
