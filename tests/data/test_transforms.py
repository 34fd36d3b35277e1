import time

import cv2
import numpy as np
import pytest

from tfmask.data.coco import segmentation as seg
from tfmask.data.transforms import (
    box_frame_mask,
    flip_boxes,
    resize_image,
    resized_shape,
)
from tfmask.errors import SegmentationError


@pytest.mark.parametrize(
    "size, sides, expected",
    [
        ((480, 640), (800, 1333), (800, 1067)),
        ((640, 480), (800, 1333), (1067, 800)),
        ((427, 640), (800, 1333), (800, 1199)),
        ((300, 1000), (800, 1333), (400, 1333)),  # the longer side decides
        ((333, 500), (600, 1000), (600, 901)),  # 900.9
        ((1, 8000), (800, 1333), (1, 1333)),  # never 0
        ((1, 1), (800, 1333), (800, 800)),
        ((800, 1333), (800, 1333), (800, 1333)),
    ],
)
def test_short_side_rule(size, sides, expected):
    assert resized_shape(*size, *sides) == expected


def test_resize_keeps_pixel_centres_at_half_integers():
    ramp = np.repeat(np.arange(0, 80, 10, np.uint8)[None, :, None], 4, 0)
    ramp = np.repeat(ramp, 3, 2)
    wide = resize_image(ramp, 4, 16)[0, :, 0]
    np.testing.assert_array_equal(wide[:6], [0, 3, 8, 13, 18, 23])  # x.5 rounds up
    out = np.zeros((8, 20, 3), np.uint8)
    resize_image(ramp, 4, 16, out[:4, :16])
    np.testing.assert_array_equal(out[0, :16, 0], wide)
    assert not out[4:].any() and not out[:, 16:].any()


def test_flipping_boxes_twice_gives_them_back():
    boxes = np.array([[1, 2, 5, 9], [0, 0, 20, 4.5]], np.float32)
    flipped = flip_boxes(boxes, 20)
    np.testing.assert_array_equal(flipped, [[15, 2, 19, 9], [0, 0, 20, 4.5]])
    np.testing.assert_array_equal(flip_boxes(flipped, 20), boxes)


# --- box-frame masks ------------------------------------------------------------------


def rle(mask: np.ndarray) -> seg.RLE:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=0)) if flat.any() else []
    counts = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return seg.RLE(counts.astype(np.int32), *mask.shape)


def blob(rng, height: int = 300, width: int = 400) -> np.ndarray:
    """A smooth blob with bays and holes, anywhere, also over the image's edge."""
    y, x = np.mgrid[:height, :width] + 0.5
    radius = rng.uniform(12, 120)
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    angle = np.arctan2(y - cy, x - cx)
    wave = 1 + 0.3 * np.sin(angle * rng.integers(2, 6) + rng.uniform(0, 6))
    distance = np.hypot(y - cy, (x - cx) * rng.uniform(0.5, 2))
    mask = distance < radius * wave
    if radius > 30:
        mask &= distance > radius * 0.25
    return mask.astype(np.uint8)


def sample(values: np.ndarray, box, bins: int, samples: tuple[int, int]) -> np.ndarray:
    """RoIAlign: mean over each bin of samples, bilinear between pixel centres."""
    means = values.astype(np.float64)
    for axis in (0, 1):
        low, high, size = box[1 - axis], box[3 - axis], values.shape[axis]
        count = bins * samples[axis]
        at = low - 0.5 + (np.arange(count) + 0.5) * (high - low) / count
        inside = (at >= -1) & (at <= size)  # RoIAlign's border: the edge goes on
        at = np.clip(at, 0, size - 1)
        first = np.minimum(at.astype(int), max(size - 2, 0))
        second = np.minimum(first + 1, size - 1)
        weight = (at - first)[:, None]
        means = means[first] * (1 - weight) + means[second] * weight
        means *= inside[:, None]
        means = means.reshape(bins, samples[axis], -1).mean(1).T
    return means


def test_coverage_of_a_half_filled_box():
    mask = np.zeros((20, 30), np.uint8)
    mask[:, :15] = 1
    cover = box_frame_mask(rle(mask), 20, 30, (10, 0, 20, 20), 10)
    # Bilinear: the step spreads over a pixel around x = 15, where it is one half.
    expected = np.tile([255] * 4 + [239, 16] + [0] * 4, (10, 1))
    np.testing.assert_allclose(cover, expected, atol=17)
    assert cover[0, 4] + cover[0, 5] == pytest.approx(255, abs=1)


def test_object_at_the_image_edge_is_fully_covered():
    mask = np.ones((20, 30), np.uint8)
    cover = box_frame_mask(rle(mask), 20, 30, (0, 0, 30, 20), 112)
    assert (cover == 255).all()
    cover = box_frame_mask(rle(mask), 20, 30, (29.5, 19.3, 30, 20), 7)
    assert (cover == 255).all()


def test_one_pixel_image_and_object():
    code = rle(np.ones((1, 1), np.uint8))
    assert (box_frame_mask(code, 1, 1, (0, 0, 1, 1), 14) == 255).all()


def test_cells_larger_than_pixels_hold_the_exact_average():
    rng = np.random.default_rng(0)
    mask = (rng.random((64, 64)) < 0.5).astype(np.uint8)
    cover = box_frame_mask(rle(mask), 64, 64, (0, 0, 64, 64), 4)
    blocks = mask.reshape(4, 16, 4, 16).mean((1, 3))
    # Interpolation moves half a pixel's weight over the edges of a cell, no more.
    np.testing.assert_allclose(cover / 255, blocks, atol=0.03)


def test_mirrored_image_gives_the_mirrored_mask():
    rng = np.random.default_rng(1)
    for _ in range(10):
        mask = blob(rng)
        box = seg.tight_box(rle(mask), 300, 400)
        if box is None:
            continue
        mirrored = flip_boxes(box[None], 400)[0]
        first = box_frame_mask(rle(mask), 300, 400, box, 56).astype(int)
        second = box_frame_mask(rle(mask[:, ::-1]), 300, 400, mirrored, 56)
        assert np.abs(first - second[:, ::-1]).max() <= 1


def test_polygon_and_its_run_lengths_give_the_same_cover():
    value = [[10.3, 5.2, 50.8, 8.1, 44.4, 35.7, 12.0, 30.0], [20, 20, 55, 22, 52, 33]]
    polygons, _ = seg.parse(value, 60, 80)
    code = rle(seg.decode(polygons, 60, 80))
    box = (10.3, 5.2, 55, 35.7)
    first = box_frame_mask(polygons, 60, 80, box, 112)
    np.testing.assert_array_equal(first, box_frame_mask(code, 60, 80, box, 112))
    np.testing.assert_array_equal(first, box_frame_mask(value, 60, 80, box, 112))


def test_json_form_is_checked_before_use():
    with pytest.raises(SegmentationError):
        box_frame_mask([[1e300, 1, 2, 3, 4, 5]], 60, 80, (0, 0, 9, 9), 28)


@pytest.mark.parametrize("bins", [28, 56])
def test_mask_targets_from_the_box_frame_equal_roialign_of_the_bitmap(bins):
    # house.md decision 8: R = 112, averaged over ceil(R / n) samples a bin.
    rng = np.random.default_rng(bins)
    side, equal, overlap = 112, [], []
    while len(equal) < 50:
        mask = blob(rng)
        box = seg.tight_box(rle(mask), 300, 400)
        if box is None or min(box[2:] - box[:2]) < 20:
            continue
        extent = np.tile(box[2:] - box[:2], 2)
        roi = box + rng.uniform(-0.15, 0.15, 4) * extent
        roi = np.clip(roi, 0, [400, 300, 400, 300])
        bin_pixels = (roi[2:] - roi[:2])[::-1] / bins
        samples = tuple(int(np.ceil(max(p, 1))) for p in bin_pixels)
        expected = sample(mask, roi, bins, samples) >= 0.5
        cover = box_frame_mask(rle(mask), 300, 400, box, side)
        frame = (roi - np.tile(box[:2], 2)) / extent * side
        cover = np.pad(cover, side) / 255  # nothing outside the box
        per_bin = -(-side // bins)
        got = sample(cover, frame + side, bins, (per_bin, per_bin)) >= 0.5
        equal.append((got == expected).mean())
        overlap.append((got & expected).sum() / max((got | expected).sum(), 1))
    assert np.mean(equal) >= 0.998
    assert np.mean(overlap) >= 0.995


def test_pasted_back_the_mask_is_the_decoded_one():
    rng = np.random.default_rng(5)
    for _ in range(20):
        mask = blob(rng)
        box = seg.tight_box(rle(mask), 300, 400)
        if box is None:
            continue
        x1, y1, x2, y2 = box.astype(int)
        cover = box_frame_mask(rle(mask), 300, 400, box, 112)
        pasted = cv2.resize(cover, (x2 - x1, y2 - y1)) >= 128
        inner = mask[y1:y2, x1:x2].astype(bool)
        assert (pasted & inner).sum() / (pasted | inner).sum() > 0.95


def test_a_typical_instance_takes_well_below_a_millisecond():
    rng = np.random.default_rng(3)
    turn = np.linspace(0, 2 * np.pi, 41)[:-1]
    outline = np.stack([300 + 60 * np.cos(turn), 200 + 45 * np.sin(turn)], 1)
    outline += rng.uniform(-3, 3, outline.shape)
    polygon, _ = seg.parse([outline.ravel().tolist()], 480, 640)
    box = seg.tight_box(polygon, 480, 640)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        box_frame_mask(polygon, 480, 640, box, 112)
        times.append(time.perf_counter() - start)
    assert min(times) < 1e-3  # about 1e-4; a loaded machine is slower
