import numpy as np
import pytest

from tfmask.data import transforms
from tfmask.data.coco import segmentation as seg
from tfmask.data.dataset import ImageRecord
from tfmask.data.views import View
from tfmask.data.visible import Cover, box_coverage, seen_instances

HEIGHT, WIDTH, R = 40, 60, 20


def record(*boxes, crowd=None) -> ImageRecord:
    """Rectangles; the first kind of instance whose masks are known by hand."""
    count = len(boxes)
    outlines = [[x1, y1, x2, y1, x2, y2, x1, y2] for x1, y1, x2, y2 in boxes]
    return ImageRecord(
        image_id=1,
        path="",
        file_name="",
        width=WIDTH,
        height=HEIGHT,
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        labels=np.ones(count, np.int32),
        crowd=np.zeros(count, bool) if crowd is None else np.array(crowd),
        areas=np.ones(count),
        annotation_ids=(None,) * count,
        segmentations=tuple(seg.parse([o], HEIGHT, WIDTH)[0] for o in outlines),
    )


def whole(factor: int = 1) -> View:
    return View((0, 0, WIDTH, HEIGHT), (HEIGHT * factor, WIDTH * factor))


def cover(*boxes, shape=(HEIGHT, WIDTH)) -> Cover:
    bitmap = np.zeros(shape, np.uint8)
    for x1, y1, x2, y2 in boxes:
        bitmap[y1:y2, x1:x2] = 255
    return Cover(bitmap, np.array(boxes, np.float32).reshape(-1, 4))


def test_what_is_whole_is_as_it_was():
    image = record((10, 5, 30, 25), (40, 10, 55, 38))
    seen = seen_instances(image, whole(2), R, 0.1)
    np.testing.assert_array_equal(seen.indices, [0, 1])
    np.testing.assert_array_equal(seen.boxes, image.boxes * 2)
    for k in range(2):
        expected = transforms.box_frame_mask(
            image.segmentations[k], HEIGHT, WIDTH, image.boxes[k], R
        )
        np.testing.assert_array_equal(seen.masks[k], expected)


def test_a_box_that_is_cut_ends_at_the_border_of_the_view():
    view = View((20, 10, 50, 40), (60, 60))  # twice as large
    image = record((10, 5, 30, 25), (0, 0, 18, 9), (24, 20, 34, 30))
    seen = seen_instances(image, view, R, 0.1)
    np.testing.assert_array_equal(seen.indices, [0, 2])
    np.testing.assert_allclose(seen.boxes[0], [0, 0, 20, 30], atol=1e-4)
    assert (seen.masks[0] > 250).mean() > 0.9  # a rectangle fills its new box
    np.testing.assert_allclose(seen.boxes[1], [8, 20, 28, 40], atol=1e-4)


@pytest.mark.parametrize(("share", "kept"), [(0.24, True), (0.26, False)])
def test_a_share_of_the_area_has_to_be_in_sight(share, kept):
    view = View((20, 10, 50, 40), (60, 60))
    image = record((12, 2, 28, 18))  # 8 x 8 of 16 x 16 pixels in sight
    seen = seen_instances(image, view, R, share)
    assert len(seen.indices) == kept


def test_the_box_shrinks_to_what_a_cover_leaves():
    image = record((10, 10, 30, 30), (40, 5, 50, 15))
    seen = seen_instances(image, whole(), R, 0.1, cover((5, 5, 20, 35)))
    np.testing.assert_array_equal(seen.indices, [0, 1])
    np.testing.assert_allclose(seen.boxes[0], [20, 10, 30, 30], atol=0.6)
    assert seen.masks[0].min() > 180
    np.testing.assert_array_equal(seen.boxes[1], [40, 5, 50, 15])


def test_a_hole_in_the_middle_leaves_the_box_and_opens_the_mask():
    image = record((10, 10, 30, 30))
    seen = seen_instances(image, whole(), R, 0.1, cover((15, 15, 25, 25)))
    np.testing.assert_array_equal(seen.boxes[0], [10, 10, 30, 30])
    inner = seen.masks[0][R // 4 + 1 : -R // 4 - 1, R // 4 + 1 : -R // 4 - 1]
    assert not inner.any() and seen.masks[0][:4].min() > 200
    assert seen.masks[0].mean() / 255 == pytest.approx(0.75, abs=0.02)


def test_what_is_covered_as_a_whole_is_not_there():
    image = record((10, 10, 30, 30))
    seen = seen_instances(image, whole(), R, 0.0, cover((5, 5, 40, 35)))
    assert not len(seen.indices) and seen.masks.shape == (0, R, R)


def test_regions_to_ignore_are_cut_and_not_judged_by_their_share():
    view = View((20, 10, 50, 40), (30, 30))
    boxes = (0, 0, 21, 40), (0, 0, 20.5, 40), (22, 12, 30, 20)
    seen = seen_instances(
        record(*boxes, crowd=[True] * 3), view, R, 0.5, cover((0, 0, 30, 30))
    )
    np.testing.assert_array_equal(seen.indices, [0, 2])
    np.testing.assert_allclose(seen.boxes, [[0, 0, 1, 30], [2, 2, 10, 10]])
    assert not seen.masks.any()


def test_an_image_without_instances():
    seen = seen_instances(record(), whole(), R, 0.1, cover((0, 0, 5, 5)))
    assert seen.boxes.shape == (0, 4) and seen.masks.shape == (0, R, R)


@pytest.mark.parametrize(
    "box", [(3.25, 4.5, 17.75, 30.0), (0.0, 0.0, 60.0, 40.0), (10.0, 10.0, 13.0, 12.5)]
)
def test_coverage_of_a_bitmap_is_that_of_a_mask(box):
    rng = np.random.default_rng(0)
    bitmap = (rng.random((HEIGHT, WIDTH)) < 0.5).astype(np.uint8)
    runs = bitmap.T.ravel()
    edges = np.flatnonzero(np.diff(runs)) + 1
    counts = [0] * runs[0] + np.diff([0, *edges, runs.size]).tolist()
    code = {"size": [HEIGHT, WIDTH], "counts": counts}
    expected = transforms.box_frame_mask(code, HEIGHT, WIDTH, box, 14).astype(int)
    result = box_coverage(bitmap * 255, box, 14)
    # A 64th of a pixel in each direction, at steps from 0 to 255.
    assert np.abs(result - expected).max() <= 10
    assert np.abs(result - expected).mean() < 2
