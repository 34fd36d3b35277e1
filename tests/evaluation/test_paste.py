"""Pasting against a plain double loop over pixels."""

import time

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from tfmask.evaluation.paste import paste_mask, paste_masks


def sample(probs, x, y):
    """Bilinear value at cell coordinates, zero outside."""
    side = len(probs)
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for row, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
        for column, wx in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
            if 0 <= row < side and 0 <= column < side:
                total += wy * wx * float(probs[row, column])
    return total


def paste_by_pixels(probs, box, size):
    """Values at the centres of all pixels of the image, [H, W] float."""
    side = len(probs)
    x1, y1, x2, y2 = (float(v) for v in box)
    values = np.zeros(size)
    for py in range(size[0]):
        for px in range(size[1]):
            x = (px + 0.5 - x1) / (x2 - x1) * side - 0.5
            y = (py + 0.5 - y1) / (y2 - y1) * side - 0.5
            values[py, px] = sample(probs, x, y)
    return values


@pytest.mark.parametrize("seed", range(12))
def test_equals_bilinear_sampling_at_every_pixel_of_the_image(seed):
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(20, 50)), int(rng.integers(20, 50)))
    x1, y1 = rng.uniform(-10, size[1] - 3), rng.uniform(-10, size[0] - 3)
    box = (x1, y1, x1 + rng.uniform(0.5, 40), y1 + rng.uniform(0.5, 40))
    probs = rng.random((28 if seed % 2 else 14,) * 2).astype(np.float32)
    mask = mask_utils.decode(paste_mask(probs, box, size))
    values = paste_by_pixels(probs, box, size)
    clear = np.abs(values - 0.5) > 1e-5  # beyond float32 rounding
    assert clear.mean() > 0.99
    assert (mask[clear] == (values >= 0.5)[clear]).all()


def test_a_full_mask_fills_a_box_on_whole_pixels_but_for_its_corners():
    mask = mask_utils.decode(paste_mask(np.ones((4, 4)), (2, 3, 12, 13), (16, 16)))
    expected = np.zeros((16, 16), np.uint8)
    expected[3:13, 2:12] = 1
    # At a corner's pixel the sample is 0.7 * 0.7: cells outside the box count zero.
    expected[[3, 3, 12, 12], [2, 11, 2, 11]] = 0
    np.testing.assert_array_equal(mask, expected)


def test_a_full_mask_covers_a_box_of_one_pixel():
    mask = mask_utils.decode(paste_mask(np.ones((28, 28)), (5, 6, 6, 7), (10, 10)))
    assert mask.sum() == 1 and mask[6, 5] == 1


def test_threshold_is_inclusive():
    probs = np.full((2, 2), 0.5)
    inside = mask_utils.decode(paste_mask(probs, (0, 0, 8, 8), (8, 8)))
    assert inside[2:6, 2:6].all()


@pytest.mark.parametrize(
    "box",
    [(3, 3, 3, 9), (9, 3, 3, 9), (20, 20, 30, 30), (-9, -9, -1, -1), (4.6, 4, 5.4, 6)],
)
def test_boxes_without_pixel_centres_give_empty_masks(box):
    code = paste_mask(np.ones((28, 28)), box, (10, 12))
    assert code["size"] == [10, 12]
    assert mask_utils.area(code) == 0


def test_no_detections_give_no_masks():
    assert paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), (10, 10)) == []


def test_hundred_detections_at_full_size_take_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 400, (100, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(40, 400, (100, 2))], axis=1)
    probs = rng.random((100, 28, 28), np.float32)
    start = time.perf_counter()
    assert len(paste_masks(probs, boxes, (800, 1333))) == 100
    assert time.perf_counter() - start < 1.0  # 0.03 s on an idle core
