import numpy as np
import pytest

from tfmask.data.views import View

HEIGHT, WIDTH = 20, 30
EVERY_WAY = [(t, x, y) for t in (0, 1) for x in (0, 1) for y in (0, 1)]


def view(transposed, flip_x, flip_y, region=(4, 6, 24, 16), factor=1) -> View:
    x1, y1, x2, y2 = region
    shape = (y2 - y1) * factor, (x2 - x1) * factor
    shape = shape[::-1] if transposed else shape
    return View(region, shape, bool(transposed), bool(flip_x), bool(flip_y))


def turned(array: np.ndarray, transposed, flip_x, flip_y) -> np.ndarray:
    array = array.swapaxes(0, 1) if transposed else array
    array = array[:, ::-1] if flip_x else array
    return array[::-1] if flip_y else array


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("way", EVERY_WAY)
def test_pixels_are_cut_turned_and_mirrored(way, channels):
    shape = HEIGHT, WIDTH, channels
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    chosen = view(*way)
    canvas = np.zeros((40, 40, channels), np.uint8)
    height, width = chosen.shape
    chosen.draw(image, canvas[:height, :width])
    expected = turned(image[6:16, 4:24], *way)
    np.testing.assert_array_equal(canvas[:height, :width], expected)
    assert not canvas[height:].any() and not canvas[:, width:].any()


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("way", EVERY_WAY)
def test_boxes_go_where_their_pixels_go(way, factor):
    image = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    image[8:11, 9:21] = 255
    chosen = view(*way, factor=factor)
    out = np.zeros((*chosen.shape, 1), np.uint8)
    chosen.draw(image, out)
    rows, columns = (np.flatnonzero((out > 127).any(a)) for a in ((1, 2), (0, 2)))
    (box,) = chosen.boxes(np.array([[9, 8, 21, 11]], np.float32))
    extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(box, extent, atol=1e-4)


@pytest.mark.parametrize("way", EVERY_WAY)
def test_image_boxes_is_the_inverse_inside_the_region(way):
    boxes = np.array([[4, 6, 24, 16], [5.5, 7, 9, 15.25]], np.float32)
    chosen = view(*way, factor=3)
    np.testing.assert_allclose(
        chosen.image_boxes(chosen.boxes(boxes)), boxes, atol=1e-5
    )
    outside = chosen.image_boxes(np.array([[-9.0, -9.0, 999.0, 999.0]]))
    np.testing.assert_array_equal(outside[0], chosen.region)


@pytest.mark.parametrize("way", EVERY_WAY)
def test_masks_are_turned_like_pixels(way):
    masks = np.random.default_rng(0).integers(0, 255, (3, 7, 7), np.uint8)
    chosen = view(*way)
    mirrored = masks[:, :, ::-1] if chosen.mirrors_masks else masks
    for mask, result in zip(masks, chosen.turn_masks(mirrored)):
        np.testing.assert_array_equal(result, turned(mask, *way))
    same = chosen.turn_masks(masks) is masks
    assert same == (not chosen.turns_masks)


def test_scales_are_of_the_turned_part():
    np.testing.assert_array_equal(
        View((0, 0, 10, 20), (30, 40), True).scales, [30 / 10, 40 / 20]
    )
