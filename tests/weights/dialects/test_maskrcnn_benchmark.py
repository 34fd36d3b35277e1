"""Detectors of maskrcnn-benchmark's forks, on their real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import HRFPNConfig, HRNetConfig
from tfmask.configs import lineages


def scoring_arrays():
    """A detector of the Mask Scoring R-CNN release."""
    shapes = public_names.maskrcnn_benchmark()
    head = manifest_shapes("mask_scoring_head")
    shapes |= {f"roi_heads.maskiou.{name}": v for name, v in head.items()}
    shapes = public_names.narrow(shapes)
    first = "roi_heads.maskiou.feature_extractor.maskiou_fcn1.weight"
    shapes[first] = (32, 33, 3, 3)  # the mask is one more channel
    return public_names.fill(shapes)


def scoring_settings(num_classes=80):
    settings = narrow_settings(lineages.maskrcnn_benchmark, num_classes)
    settings.mask.scoring.enabled = True
    return settings


def test_mask_scoring_release_is_loaded_whole_and_exported_equal():
    arrays = scoring_arrays()
    values = assert_whole("maskrcnn_benchmark", arrays, scoring_settings()).values
    stored = arrays["roi_heads.maskiou.feature_extractor.maskiou_fc1.weight"]
    np.testing.assert_array_equal(
        values["mask_iou_head/maskiou_fc1/kernel"].reshape(7, 7, 32, 128)[2, 5],
        stored.reshape(128, 32, 7, 7)[:, :, 2, 5].T,
    )
    np.testing.assert_array_equal(
        values["mask_iou_head/maskiou/kernel"][:, 17],
        arrays["roi_heads.maskiou.predictor.maskiou.weight"][17],
    )


def test_mask_scoring_of_other_classes_keeps_what_is_not_of_classes():
    settings = scoring_settings(num_classes=1)
    partial = plan("maskrcnn_benchmark", scoring_arrays(), settings)
    assert "mask_iou_head/maskiou/kernel" in partial.report.reset
    assert "mask_iou_head/maskiou_fc2/kernel" in partial.values


def test_a_plain_detector_leaves_the_mask_iou_head_as_it_is():
    arrays = public_names.fill(public_names.narrow(public_names.maskrcnn_benchmark()))
    partial = plan("maskrcnn_benchmark", arrays, scoring_settings())
    assert {p.split("/")[0] for p in partial.report.missing} == {"mask_iou_head"}


def hrnet_settings():
    settings = narrow_settings(lineages.maskrcnn_benchmark)
    settings.backbone = HRNetConfig(width=8, norm_epsilon=0.0)
    settings.neck = HRFPNConfig(channels=32)
    settings.channel_order = "rgb"
    return settings


def hrnet_arrays():
    """A detector of HRNet's fork, with a quarter of the trunk's channels."""
    shapes = {}
    for name, shape in public_names.narrow_hrnet(manifest_shapes("hrnet_w32")).items():
        if not name.endswith("num_batches_tracked"):
            shapes[f"backbone.body.{name}"] = shape
    shapes["backbone.neck.reduction_conv.0.weight"] = (32, 8 + 16 + 32 + 64, 1, 1)
    shapes["backbone.neck.reduction_conv.0.bias"] = (32,)
    for i in range(5):
        shapes[f"backbone.neck.fpn_conv.{i}.weight"] = (32, 32, 3, 3)
        shapes[f"backbone.neck.fpn_conv.{i}.bias"] = (32,)
    heads = public_names.narrow(public_names.maskrcnn_benchmark())
    shapes |= {k: v for k, v in heads.items() if not k.startswith("backbone.")}
    return public_names.fill(shapes)


@pytest.mark.slow
def test_hrnet_and_its_neck_are_loaded_whole_and_exported_equal():
    arrays = hrnet_arrays()
    whole = assert_whole("maskrcnn_benchmark", arrays, hrnet_settings())
    for path, name in (
        ("neck/reduction/kernel", "neck.reduction_conv.0.weight"),
        ("neck/fpn_output6/kernel", "neck.fpn_conv.4.weight"),
        ("backbone/stem2/kernel", "body.conv2.weight"),
        ("backbone/layer1_0/shortcut/kernel", "body.layer1.0.downsample.0.weight"),
    ):
        np.testing.assert_array_equal(
            whole.values[path], arrays[f"backbone.{name}"].transpose(2, 3, 1, 0)
        )
    assert "channel_order" not in str(whole.report)


def test_deformable_convolutions_are_loaded_whole_and_exported_equal():
    settings = narrow_settings(lineages.maskrcnn_benchmark)
    settings.backbone.deformable, settings.backbone.deformable_stages = "v1", (5,)
    shapes = public_names.narrow(public_names.maskrcnn_benchmark())
    for block in range(3):
        name = f"backbone.body.layer4.{block}.conv2"
        shapes[f"{name}.conv.weight"] = shapes.pop(f"{name}.weight")
        shapes[f"{name}.offset.weight"] = (18, 64, 3, 3)
        shapes[f"{name}.offset.bias"] = (18,)
    arrays = public_names.fill(shapes)
    values = assert_whole("maskrcnn_benchmark", arrays, settings).values
    np.testing.assert_array_equal(
        values["backbone/res5_2/conv2/offset/bias"],
        arrays["backbone.body.layer4.2.conv2.offset.bias"],
    )
