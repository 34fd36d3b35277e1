"""The release of IEMask R-CNN, a fork of Detectron2, on its real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import EncoderDecoderHeadConfig, IEFPNConfig
from tfmask.configs import lineages
from tfmask.errors import WeightsError


def released_arrays(neck=False):
    """A Detectron2 detector with the mask head, and with the neck, of the release."""
    shapes = manifest_shapes("detectron2_mask_rcnn_r50_fpn")
    shapes = {k: v for k, v in shapes.items() if ".mask_head." not in k}
    head = manifest_shapes("iemask_mask_head")
    shapes |= {f"roi_heads.mask_head.{name}": v for name, v in head.items()}
    shapes = public_names.narrow(shapes)
    if neck:
        shapes = {k: v for k, v in shapes.items() if ".fpn_" not in k}
        shapes |= narrow_neck()
    return public_names.fill(shapes)


def narrow_neck():
    """The neck's arrays at an eighth of the channels; 192 of them are always there."""
    kept = {192, 384, 24, 2}
    shapes = {}
    for name, shape in manifest_shapes("iemask_fpn_square").items():
        inner = "weight" in name.split(".")[0]
        shapes[f"backbone.{name}"] = tuple(
            n if (inner and n in kept) or n < 8 else n // 8 for n in shape
        )
    return shapes


def released_settings(**neck):
    settings = narrow_settings(lineages.detectron2)
    settings.mask.head = EncoderDecoderHeadConfig(channels=32)
    settings.neck = IEFPNConfig(channels=32, **neck)
    return settings


def test_the_mask_head_is_loaded_whole_and_exported_equal():
    arrays, settings = released_arrays(), narrow_settings(lineages.detectron2)
    settings.mask.head = EncoderDecoderHeadConfig(channels=32)
    whole = assert_whole("detectron2", arrays, settings)
    assert not [k for k in whole.report.skipped if k.startswith("roi_heads")]
    prefix = "roi_heads.mask_head."
    for path, name in (
        ("down1_1/kernel", "down1.1.weight"),
        ("down2_2/kernel", "down2.4.weight"),
        ("conv2_2/kernel", "conv2.3.weight"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"mask_head/{path}"],
            arrays[prefix + name].transpose(2, 3, 1, 0),
        )
    for path, name in (
        ("down1_2/norm/gamma", "down1.5.weight"),
        ("down2_1/norm/beta", "down2.2.bias"),
        ("conv1_1/norm/gamma", "conv1.1.weight"),
        ("conv2_2/norm/beta", "conv2.4.bias"),
        ("conv3_1/bias", "conv3.0.bias"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"mask_head/{path}"], arrays[prefix + name]
        )


def test_it_does_not_fit_the_plain_mask_head():
    settings = narrow_settings(lineages.detectron2)
    with pytest.raises(WeightsError, match="another architecture: mask_head/"):
        plan("detectron2", released_arrays(), settings)


def test_the_neck_is_loaded_whole_and_exported_equal():
    arrays = released_arrays(neck=True)
    settings = released_settings(convolve_before_fusion=False)
    whole = assert_whole("detectron2", arrays, settings)
    assert {k for k in whole.report.skipped if "backbone.conv2" in k} == {
        f"backbone.conv2.{i}.{what}" for i in (0, 1) for what in ("weight", "bias")
    }
    for path, name in (
        ("fpn_lateral2/kernel", "fpn_lateral2.weight"),
        ("fpn_lateral4/kernel", "fpn_lateral4.1.weight"),
        ("channel_enhancement5/expand/kernel", "fpn_lateral5.0.fc.2.weight"),
        ("global_information/conv2/kernel", "gimdoule.conv.1.weight"),
        ("global_information/project/kernel", "gimdoule.conv1.weight"),
        ("bottom_up_output/kernel", "conv1.weight"),
        ("global_fusion/kernel", "conv3.weight"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"neck/{path}"],
            arrays[f"backbone.{name}"].transpose(2, 3, 1, 0),
        )
    np.testing.assert_array_equal(
        whole.values["neck/adaptive_fusion/excitation/expand/kernel"][0, 0],
        arrays["backbone.weight.0.fc.2.weight"].T,
    )
    np.testing.assert_array_equal(
        whole.values["neck/adaptive_fusion/second/norm/gamma"],
        arrays["backbone.weight2.1.weight"],
    )


def test_the_paper_form_takes_the_convolution_that_the_release_never_calls():
    arrays = released_arrays(neck=True)
    whole = assert_whole("detectron2", arrays, released_settings())
    np.testing.assert_array_equal(
        whole.values["neck/bottom_up_level/norm/beta"], arrays["backbone.conv2.1.bias"]
    )
    assert "model.neck.convolve_before_fusion=True, trained with False" in str(
        whole.report
    )


def test_a_neck_without_one_of_its_modules_is_refused():
    arrays = released_arrays(neck=True)
    for changes, named in (
        ({"global_information": False}, "gimdoule|conv3"),
        ({"channel_enhancement": False}, "fpn_lateral3/kernel is not in it"),
        ({"bottom_up": False}, "backbone.(down|conv1)"),
    ):
        with pytest.raises(WeightsError, match=f"another architecture.*({named})"):
            plan("detectron2", arrays, released_settings(**changes))
    with pytest.raises(WeightsError, match="another architecture"):
        settings = released_settings()
        settings.neck = narrow_settings(lineages.detectron2).neck
        plan("detectron2", arrays, settings)
