import numpy as np
import pytest

from tfmask.data.colour import Colours


def image(channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(60, 190, (16, 20, channels), np.uint8)


def changed(pixels: np.ndarray, **changes) -> np.ndarray:
    result = pixels.copy()
    Colours(**changes).apply(result)
    return result.astype(float)


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels @ [0.299, 0.587, 0.114]


def test_no_change_changes_nothing():
    for channels in (1, 3, 5):
        np.testing.assert_array_equal(changed(image(channels)), image(channels))


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_brightness_is_a_factor(channels):
    result = changed(image(channels), brightness=1.3)
    assert np.abs(result - image(channels) * 1.3).max() <= 1


def test_contrast_is_a_factor_on_the_distance_to_the_mean_luma():
    mean = luma(image()).mean()
    result = changed(image(), contrast=0.5)
    assert np.abs(result - (mean + 0.5 * (image() - mean))).max() <= 1


def test_contrast_of_other_channels_has_the_mean_of_each():
    pixels = image(5)
    mean = pixels.mean((0, 1))
    result = changed(pixels, contrast=1.4)
    assert np.abs(result - (mean + 1.4 * (pixels - mean))).max() <= 1


def test_saturation_mixes_with_gray():
    gray = np.repeat(luma(image())[..., None], 3, 2)
    assert np.abs(changed(image(), saturation=0.0) - gray).max() <= 1
    half = (gray + image()) / 2
    assert np.abs(changed(image(), saturation=0.5) - half).max() <= 1


def test_hue_keeps_luma_and_comes_round():
    turned = changed(image(), hue=0.08)
    assert np.abs(luma(turned) - luma(image())).max() <= 2
    assert np.abs(turned - image()).mean() > 5
    assert np.abs(changed(image(), hue=1.0) - image()).max() <= 1
    gray = np.repeat(image(1), 3, 2)
    assert np.abs(changed(gray, hue=0.3) - gray).max() <= 1


def test_a_third_of_a_turn_brings_red_towards_green_or_blue():
    red = np.tile(np.uint8([150, 80, 80]), (2, 2, 1))
    ways = [changed(red, hue=h)[0, 0].argmax() for h in (1 / 3, -1 / 3)]
    assert sorted(ways) == [1, 2]


def test_what_leaves_the_range_is_cut_off():
    result = changed(image(), brightness=2.0)
    assert result.max() == 255 and (result[image() > 128] == 255).all()


def test_a_view_of_a_canvas_is_changed_in_place():
    canvas = np.zeros((30, 30, 3), np.uint8)
    canvas[:16, :20] = image()
    Colours(brightness=1.2).apply(canvas[:16, :20])
    np.testing.assert_array_equal(canvas[:16, :20], changed(image(), brightness=1.2))
    assert not canvas[16:].any() and not canvas[:, 20:].any()
