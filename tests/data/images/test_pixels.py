"""Images with other channels than RGB, and stored values with a chosen range."""

import io

import cv2
import numpy as np
import pytest
from image_bytes import encode, picture, with_exif

from tfmask.data.images.pixels import PixelFormat
from tfmask.data.images.read import image_size, read_image
from tfmask.errors import ImageError

UNCOMPRESSED = [cv2.IMWRITE_TIFF_COMPRESSION, 1]


@pytest.fixture
def save(tmp_path):
    def write(data: bytes, name: str = "image") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def samples(*shape, top=256, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, shape)


def refused(path: str, pixels: PixelFormat, words: str) -> None:
    """Both the header's check and the reading refuse the file, in these words."""
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match=words):
            read(path, pixels=pixels)


# --- one channel ----------------------------------------------------------------------


def test_gray_is_one_channel(save):
    gray = picture()[..., 0]
    for extension in (".png", ".tiff", ".bmp"):
        result = read_image(save(encode(gray, extension)), pixels=PixelFormat(1))
        np.testing.assert_array_equal(result, gray[..., None])
        assert result.flags["C_CONTIGUOUS"]


def test_colours_become_gray_by_their_luma(save):
    result = read_image(
        save(encode(picture()[..., ::-1], ".png")), pixels=PixelFormat(1)
    )
    expected = picture() @ [0.299, 0.587, 0.114]
    assert np.abs(result[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_one_channel_is_turned_as_three_are(orientation, save):
    gray = np.kron(samples(4, 8), np.ones((8, 8))).astype(np.uint8)
    path = save(with_exif(encode(gray, ".jpg"), orientation))
    one = read_image(path, "apply", pixels=PixelFormat(1))
    three = read_image(path, "apply")
    assert one.shape == (*three.shape[:2], 1)
    assert np.abs(one.astype(int) - three).max() <= 1


# --- more channels --------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_four_channels_are_red_green_blue_and_the_fourth(extension, dtype, save):
    stored = samples(12, 20, 4, top=np.iinfo(dtype).max).astype(dtype)
    path = save(encode(stored[..., [2, 1, 0, 3]], extension))
    expected = stored if dtype == np.uint8 else stored // 256
    np.testing.assert_array_equal(read_image(path, pixels=PixelFormat(4)), expected)
    assert image_size(path, pixels=PixelFormat(4)) == (12, 20)


@pytest.mark.parametrize("channels", [2, 5, 12])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_pages_of_a_tiff_are_channels(channels, dtype, save):
    stored = samples(12, 20, channels, top=np.iinfo(dtype).max).astype(dtype)
    pages = [np.ascontiguousarray(stored[..., k]) for k in range(channels)]
    done, data = cv2.imencodemulti(".tiff", pages)
    assert done
    path = save(data.tobytes())
    result = read_image(path, pixels=PixelFormat(channels))
    np.testing.assert_array_equal(
        result, stored if dtype == np.uint8 else stored // 256
    )
    refused(path, PixelFormat(4), "has .* channels: expected 4, as data.channels")
    refused(path, PixelFormat(3), "several pages")


@pytest.mark.parametrize("channels", [1, 2, 3, 7, 12])
def test_numpy_arrays_have_any_channels(channels, save):
    stored = samples(12, 20, channels).astype(np.uint8)
    pixels = PixelFormat(channels, (0.0, 255.0))
    for array in (stored, np.asfortranarray(stored), stored.astype(">u2")):
        result = read_image(save(npy(array)), pixels=pixels)
        np.testing.assert_array_equal(result, stored)
        assert result.dtype == np.uint8 and result.flags["C_CONTIGUOUS"]
    assert image_size(save(npy(stored)), pixels=pixels) == (12, 20)


def test_numpy_array_of_two_axes_is_gray(save):
    stored = samples(12, 20).astype(np.uint16) * 256
    result = read_image(save(npy(stored)), pixels=PixelFormat(1))
    np.testing.assert_array_equal(result[..., 0], stored // 256)


# --- what does not fit ----------------------------------------------------------------


def test_other_numbers_of_channels_are_refused_with_both(save):
    rgb = save(encode(picture(), ".png"))
    refused(rgb, PixelFormat(4), "it has 3 channels: expected 4, as data.channels says")
    gray = save(encode(picture()[..., 0], ".png"))
    refused(gray, PixelFormat(2), "it has 1 channel: expected 2")
    array = save(npy(np.zeros((5, 12, 20), np.uint8)))
    refused(array, PixelFormat(5), r"\[5, 12, 20\]: expected \[height, width, 5\]")


def test_a_numpy_file_is_no_picture(save):
    refused(save(npy(np.zeros((4, 4, 3), np.uint8))), PixelFormat(), "a NumPy array")


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int64, bool])
def test_numbers_without_a_range_are_refused(dtype, save):
    path = save(npy(np.zeros((4, 5, 2), dtype)))
    refused(path, PixelFormat(2), "no fixed range: .* data.value_range=LOW,HIGH")


def test_objects_in_a_numpy_file_are_not_loaded(save):
    path = save(npy(np.full((3, 4, 2), None)))
    refused(path, PixelFormat(2, (0, 1)), "no fixed range")


@pytest.mark.parametrize("length", [3, 8, 60, 140])
def test_a_cut_numpy_file_is_refused(length, save):
    path = save(npy(np.zeros((12, 20, 2), np.uint8))[:length])
    with pytest.raises(ImageError):
        read_image(path, pixels=PixelFormat(2))


# --- ranges ---------------------------------------------------------------------------


def scaled(stored: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((stored.astype(float) - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 20, 120),
        (np.uint16, 0, 4095),
        (np.uint16, 300.5, 2000),
        (np.int16, -1000, 400),
        (np.float32, -0.5, 1.5),
        (np.float64, 0, 1e-3),
        (np.int32, -100000, 100000),
    ],
)
def test_values_of_the_range_become_0_to_255(dtype, low, high, save):
    middle, reach = (low + high) / 2, (high - low) * 0.8
    stored = middle + reach * np.random.default_rng(0).uniform(-1, 1, (30, 20, 2))
    if np.dtype(dtype).kind != "f":
        limits = np.iinfo(dtype)
        stored = stored.round().clip(limits.min, limits.max)
    stored = stored.astype(dtype)
    pixels = PixelFormat(2, (low, high))
    result = read_image(save(npy(stored)), pixels=pixels)
    assert np.abs(result - scaled(stored, low, high)).max() <= 0.51
    assert result.min() == 0 and result.max() == 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_tiffs_of_numbers_with_a_range_are_read(dtype, channels, save):
    stored = samples(12, 20, channels, top=3000) - 500
    if dtype == np.uint16:
        stored = stored.clip(0)
    stored = stored.astype(dtype)
    order = [2, 1, 0] if channels == 3 else [0]
    path = save(encode(stored[..., order], ".tiff", UNCOMPRESSED))
    pixels = PixelFormat(channels, (-200.0, 2000.0))
    result = read_image(path, pixels=pixels)
    assert np.abs(result - scaled(stored, -200, 2000)).max() <= 0.51
    if dtype != np.uint16:
        refused(path, PixelFormat(channels), "name their range by data.value_range")


def test_gray_numbers_become_three_equal_channels(save):
    stored = (samples(12, 20, top=3000) - 500).astype(np.float32)
    path = save(encode(stored, ".tiff", UNCOMPRESSED))
    result = read_image(path, pixels=PixelFormat(3, (-500.0, 2500.0)))
    expected = scaled(stored, -500, 2500)[..., None]
    assert np.abs(result - expected).max() <= 0.51


def test_not_a_number_is_black(save):
    stored = np.full((4, 5, 2), np.nan, np.float32)
    stored[0] = 1.0
    result = read_image(save(npy(stored)), pixels=PixelFormat(2, (0.0, 1.0)))
    assert (result[0] == 255).all() and not result[1:].any()


def test_a_range_silences_the_note_about_dark_images_that_names_it(save):
    path, notes = save(encode(samples(9, 9, top=4000).astype(np.uint16), ".png")), []
    read_image(path, note=notes.append)
    read_image(path, note=notes.append, pixels=PixelFormat(3, (0.0, 4095.0)))
    (note,) = notes
    assert "data.value_range=0,4095" in note
