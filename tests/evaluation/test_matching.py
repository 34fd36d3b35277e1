"""Boundary masks and crowded instances by hand; matching against pycocotools."""

import numpy as np
import pytest
from coco_sets import encode, make_set, reference_eval
from pycocotools import mask as mask_utils

from tfmask.evaluation.coco_metrics import build_detections
from tfmask.evaluation.ground_truth import build_ground_truth
from tfmask.evaluation.matching import InstanceEval, boundary_rle, crowded_ids


def test_boundary_of_a_square_is_a_ring_of_the_dilation_width():
    mask = np.zeros((60, 80), bool)  # diagonal 100: 2 pixels at 0.02
    mask[10:30, 20:50] = True
    ring = mask.copy()
    ring[12:28, 22:48] = False
    np.testing.assert_array_equal(
        mask_utils.decode(boundary_rle(encode(mask), 0.02)), ring
    )


def test_image_border_is_boundary():
    full = np.ones((60, 80), bool)
    ring = full.copy()
    ring[2:-2, 2:-2] = False
    np.testing.assert_array_equal(
        mask_utils.decode(boundary_rle(encode(full), 0.02)), ring
    )


def test_holes_have_a_boundary_and_small_images_a_width_of_one():
    mask = np.zeros((12, 12), bool)
    mask[1:11, 1:11] = True
    mask[5, 5] = False
    inner = np.zeros_like(mask)
    inner[2:10, 2:10] = True
    inner[4:7, 4:7] = False
    np.testing.assert_array_equal(
        mask_utils.decode(boundary_rle(encode(mask), 0.02)), mask & ~inner
    )


def test_empty_mask_has_an_empty_boundary():
    code = encode(np.zeros((9, 9), bool))
    assert mask_utils.area(boundary_rle(code, 0.02)) == 0


def record(identity, box, image=1, crowd=0):
    return {"id": identity, "image_id": image, "bbox": box, "iscrowd": crowd}


def test_crowded_needs_the_same_image_and_more_than_the_threshold():
    pair = [record(1, [0, 0, 10, 10]), record(2, [5, 0, 10, 10])]  # IoU 1 / 3
    assert crowded_ids(pair, 0.3) == {1, 2}
    assert crowded_ids(pair, 0.34) == set()
    assert crowded_ids([pair[0], record(2, [5, 0, 10, 10], image=2)], 0.3) == set()
    assert crowded_ids([pair[0], record(2, [5, 0, 10, 10], crowd=1)], 0.3) == set()
    assert crowded_ids([], 0.3) == set()


def test_a_box_without_area_crowds_nobody():
    assert crowded_ids([record(1, [0, 0, 9, 9]), record(2, [1, 1, 0, 0])], 0.0) == set()


@pytest.mark.parametrize("seed", range(6))
def test_every_match_equals_pycocotools(seed):
    truth, results = make_set(
        100 + seed, objects=15, detections=40, ties=bool(seed % 2), crowd=0.3
    )
    reference = reference_eval(truth, results, "mask").evalImgs
    built = build_ground_truth(truth)
    found = build_detections(built, results, "mask")
    ours = InstanceEval(built.coco, found, "mask", max_dets=(1, 10, 100)).run().evalImgs
    assert len(ours) == len(reference)
    for mine, theirs in zip(ours, reference):
        assert (mine is None) == (theirs is None)
        if mine is None:
            continue
        for name in (
            "dtMatches",
            "gtMatches",
            "gtIgnore",
            "dtIgnore",
            "dtIds",
            "gtIds",
        ):
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
