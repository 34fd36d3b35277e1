"""Detectors of maskrcnn-benchmark's forks, on their real names and shapes."""

import numpy as np
from weights import public_names
from weights.public_files import manifest_shapes
from weights.round_trip import assert_whole, narrow_settings, plan

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
    theirs = arrays["roi_heads.maskiou.feature_extractor.maskiou_fc1.weight"]
    np.testing.assert_array_equal(
        values["mask_iou_head/maskiou_fc1/kernel"].reshape(7, 7, 32, 128)[2, 5],
        theirs.reshape(128, 32, 7, 7)[:, :, 2, 5].T,
    )
    np.testing.assert_array_equal(
        values["mask_iou_head/maskiou/kernel"][:, 17],
        arrays["roi_heads.maskiou.predictor.maskiou.weight"][17],
    )


def test_mask_scoring_of_other_classes_keeps_what_is_not_of_classes():
    settings = scoring_settings(num_classes=1)
    found = plan("maskrcnn_benchmark", scoring_arrays(), settings)
    assert "mask_iou_head/maskiou/kernel" in found.report.reset
    assert "mask_iou_head/maskiou_fc2/kernel" in found.values


def test_a_plain_detector_leaves_the_mask_iou_head_as_it_is():
    arrays = public_names.fill(public_names.narrow(public_names.maskrcnn_benchmark()))
    found = plan("maskrcnn_benchmark", arrays, scoring_settings())
    assert {p.split("/")[0] for p in found.report.missing} == {"mask_iou_head"}
