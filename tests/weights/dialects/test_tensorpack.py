"""Tensorpack's cascade, with the names of its examples/FasterRCNN."""

import numpy as np
import pytest
from weights import public_names
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import cascade_stages
from tfmask.configs import lineages
from tfmask.errors import WeightsError


def cascade_settings():
    settings = narrow_settings(lineages.tensorpack)
    settings.boxes.stages = cascade_stages()
    settings.boxes.head.class_agnostic = True
    return settings


def cascade_arrays():
    shapes = public_names.tensorpack_detector()
    plain = {k: v for k, v in shapes.items() if not k.startswith("fastrcnn/")}
    for number in (1, 2, 3):
        stage = f"cascade_rcnn_stage{number}"
        for name in ("fc6", "fc7"):
            for what in "Wb":
                shape = shapes[f"fastrcnn/{name}/{what}"]
                plain[f"{stage}/head/{name}/{what}"] = shape
        for what in "Wb":
            shape = shapes[f"fastrcnn/outputs/class/{what}"]
            plain[f"{stage}/outputs/class/{what}"] = shape
        plain[f"{stage}/outputs/box/W"] = (1024, 4)
        plain[f"{stage}/outputs/box/b"] = (4,)
    return public_names.fill(public_names.narrow(plain))


def test_a_cascade_is_loaded_whole_and_exported_equal():
    arrays = cascade_arrays()
    values = assert_whole("tensorpack", arrays, cascade_settings()).values
    np.testing.assert_array_equal(
        values["box_head_3/class_logits/kernel"],
        arrays["cascade_rcnn_stage3/outputs/class/W"],
    )
    np.testing.assert_array_equal(
        values["box_head_2/fc2/bias"], arrays["cascade_rcnn_stage2/head/fc7/b"]
    )


def test_a_cascade_does_not_fit_a_single_stage():
    settings = narrow_settings(lineages.tensorpack)
    with pytest.raises(WeightsError, match=r"3 box stage\(s\), this one has 1"):
        plan("tensorpack", cascade_arrays(), settings)
