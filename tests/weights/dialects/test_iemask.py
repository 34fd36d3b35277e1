"""The release of IEMask R-CNN, a fork of Detectron2, on its real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import EncoderDecoderHeadConfig
from tfmask.configs import lineages
from tfmask.errors import WeightsError


def released_arrays():
    """A Detectron2 detector with the mask head of the release."""
    shapes = manifest_shapes("detectron2_mask_rcnn_r50_fpn")
    shapes = {k: v for k, v in shapes.items() if ".mask_head." not in k}
    head = manifest_shapes("iemask_mask_head")
    shapes |= {f"roi_heads.mask_head.{name}": v for name, v in head.items()}
    return public_names.fill(public_names.narrow(shapes))


def test_the_mask_head_is_loaded_whole_and_exported_equal():
    arrays, settings = released_arrays(), narrow_settings(lineages.detectron2)
    settings.mask.head = EncoderDecoderHeadConfig(channels=32)
    whole = assert_whole("detectron2", arrays, settings)
    assert not [k for k in whole.report.skipped if k.startswith("roi_heads")]
    theirs = "roi_heads.mask_head."
    for ours, name in (
        ("down1_1/kernel", "down1.1.weight"),
        ("down2_2/kernel", "down2.4.weight"),
        ("conv2_2/kernel", "conv2.3.weight"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"mask_head/{ours}"],
            arrays[theirs + name].transpose(2, 3, 1, 0),
        )
    for ours, name in (
        ("down1_2/norm/gamma", "down1.5.weight"),
        ("down2_1/norm/beta", "down2.2.bias"),
        ("conv1_1/norm/gamma", "conv1.1.weight"),
        ("conv2_2/norm/beta", "conv2.4.bias"),
        ("conv3_1/bias", "conv3.0.bias"),
    ):
        np.testing.assert_array_equal(
            whole.values[f"mask_head/{ours}"], arrays[theirs + name]
        )


def test_it_does_not_fit_the_plain_mask_head():
    settings = narrow_settings(lineages.detectron2)
    with pytest.raises(WeightsError, match="another architecture: mask_head/"):
        plan("detectron2", released_arrays(), settings)
