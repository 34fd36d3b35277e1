"""Detectron2's other detectors, on their real names and shapes."""

import numpy as np
import pytest
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

from tfmask.config import cascade_stages
from tfmask.configs import lineages
from tfmask.errors import WeightsError


def arrays_of(case):
    return public_names.fill(public_names.narrow(manifest_shapes(case)))


def cascade_settings(num_classes=80):
    settings = narrow_settings(lineages.detectron2, num_classes)
    settings.boxes.stages = cascade_stages()
    settings.boxes.head.class_agnostic = True
    return settings


def test_a_cascade_is_loaded_whole_and_exported_equal():
    arrays = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    values = assert_whole("detectron2", arrays, cascade_settings()).values
    for ours, theirs in (("box_head", 0), ("box_head_2", 1), ("box_head_3", 2)):
        np.testing.assert_array_equal(
            values[f"{ours}/deltas/kernel"],
            arrays[f"roi_heads.box_predictor.{theirs}.bbox_pred.weight"].T,
        )
        fc1 = arrays[f"roi_heads.box_head.{theirs}.fc1.weight"]
        np.testing.assert_array_equal(
            values[f"{ours}/fc1/kernel"].reshape(7, 7, 32, 128)[1, 2, 3],
            fc1.reshape(128, 32, 7, 7)[:, 3, 1, 2],
        )


def test_other_classes_reset_the_class_layers_of_every_stage_and_keep_its_boxes():
    arrays = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    report = plan("detectron2", arrays, cascade_settings(num_classes=1)).report
    assert {path.rpartition("/")[0] for path in report.reset} == {
        "box_head/class_logits",
        "box_head_2/class_logits",
        "box_head_3/class_logits",
        "mask_head/predictor",
    }


def test_another_number_of_box_stages_is_refused():
    cascade = arrays_of("detectron2_cascade_mask_rcnn_r50_fpn")
    single = arrays_of("detectron2_mask_rcnn_r50_fpn")
    with pytest.raises(WeightsError, match=r"3 box stage\(s\), this one has 1"):
        plan("detectron2", cascade, narrow_settings(lineages.detectron2))
    with pytest.raises(WeightsError, match=r"1 box stage\(s\), this one has 3"):
        plan("detectron2", single, cascade_settings())
    trunk = plan("detectron2", single, cascade_settings(), part="backbone")
    assert set(trunk.values) == set(trunk.report.loaded)
    assert not trunk.report.missing
