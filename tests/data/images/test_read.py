"""One rule for every kind of image file; everything else is refused by name."""

import base64
import os
import resource
import struct

import cv2
import numpy as np
import pytest
from image_bytes import encode, exif_block, picture, png_chunk, png_header, with_exif

from tfmask.data.images.read import MAX_PIXELS, image_size, read_image
from tfmask.errors import ImageError

# 16 x 8 pixels, left half (200, 40, 30), right half (20, 60, 220): an Adobe CMYK JPEG
# (stored inverted) and a palette PNG.
CMYK_JPEG = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhc"
    "TkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhcZWdj/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABcAAAMBAAAA"
    "AAAAAAAAAAAAAAAGBwT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/AGQpk5QElalf"
    "D//Z"
)
PALETTE_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAIAQMAAADKuO3UAAAABlBMVEXIKB4UPNz+Eo3TAAAAD0lEQVR4"
    "nGNg+M/EwICJABaqAQ5oyh6fAAAAAElFTkSuQmCC"
)


@pytest.fixture
def save(tmp_path):
    def write(data: bytes, name: str = "image") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


# --- kinds of pixels ------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".webp", ".jpg"])
def test_colour_image_of_every_format_is_rgb(extension, save):
    image = picture()
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    path = save(encode(image[..., ::-1], extension, options))
    result = read_image(path)
    assert result.dtype == np.uint8 and result.flags["C_CONTIGUOUS"]
    tolerance = 12 if extension == ".jpg" else 0
    assert np.abs(result.astype(int) - image).max() <= tolerance
    assert image_size(path) == (24, 40)


def test_extension_plays_no_part(save):
    data = encode(picture()[..., ::-1], ".png")
    np.testing.assert_array_equal(read_image(save(data, "x.jpg")), picture())


def test_gray_is_three_times_the_value(save):
    gray = picture()[..., 0]
    result = read_image(save(encode(gray, ".png")))
    np.testing.assert_array_equal(result, np.repeat(gray[..., None], 3, 2))


def test_alpha_is_dropped_without_blending(save):
    image = picture()
    alpha = np.arange(24 * 40).reshape(24, 40, 1) % 256
    rgba = np.concatenate([image[..., ::-1], alpha.astype(np.uint8)], 2)
    np.testing.assert_array_equal(read_image(save(encode(rgba, ".png"))), image)


def test_palette_gives_its_colours(save):
    result = read_image(save(base64.b64decode(PALETTE_PNG)))
    assert result.shape == (8, 16, 3)
    assert (result[:, :8] == [200, 40, 30]).all()
    assert (result[:, 8:] == [20, 60, 220]).all()


def test_cmyk_jpeg_gives_its_colours(save):
    result = read_image(save(base64.b64decode(CMYK_JPEG))).astype(int)
    assert result.shape == (8, 16, 3)
    assert np.abs(result[:, 1:7] - [200, 40, 30]).max() <= 6
    assert np.abs(result[:, 9:15] - [20, 60, 220]).max() <= 6


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_the_upper_eight(extension, channels, save):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2**16, (24, 40, channels), np.uint16)
    result = read_image(save(encode(image, extension)))
    expected = np.broadcast_to(image[..., ::-1] >> 8, (24, 40, 3))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_tiff_of_float_or_signed_samples_is_refused(kind, save):
    path = save(encode(np.zeros((8, 8), kind), ".tiff"), "scan.tiff")
    with pytest.raises(ImageError, match=r"scan\.tiff: is a TIFF of .* no fixed range"):
        read_image(path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 8000), (8000, 1)])
def test_extreme_shapes_are_read(shape, save):
    image = np.full((*shape, 3), 7, np.uint8)
    assert read_image(save(encode(image, ".png"))).shape == (*shape, 3)


# --- faulty files ---------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
def test_file_truncated_at_ten_points_is_named(extension, save):
    data = encode(picture(64, 96), extension)
    for tenth in range(10):
        path = save(data[: len(data) * tenth // 10], f"cut{extension}")
        with pytest.raises(ImageError, match=rf"cut\{extension}: \S+") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError):
        read_image(save(data[:-1], "cut"))


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "is empty"),
        (b"GIF89a" + bytes(40), "is a GIF: expected JPEG, PNG, BMP, TIFF or WebP"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\0\0\0\x20ftypheic" + bytes(40), "HEIF"),
        (b"<svg/>", "text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"II+\0" + bytes(20), "BigTIFF"),
        (bytes(range(100)), "no known image header"),
        (b"\xff\xd8\xff\xe0\0\0", "the JPEG header cannot be read: it is cut off"),
        (b"\xff\xd8\xff\xda\0\x08", "the JPEG header cannot be read"),
        (b"\xff\xd8hello", "the JPEG header cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "the PNG header cannot be read"),
        (b"II*\0\xff\xff\xff\x7f", "truncated"),
        (b"II*\0\x08\0\0\0\0\0", "no width"),
        (b"BM" + bytes(30), "the BMP header cannot be read"),
        (b"RIFF\0\0\0\0WEBPnope\0\0\0\0", "the WebP header cannot be read"),
        (b"P6 4 4 255 " + bytes(48), "is a PPM"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_what_is_no_image_is_named(data, words, save):
    path = save(data, "thing.jpg")
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=f"thing.jpg: .*{words}"):
            read(path)


def test_missing_file_folder_and_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for name, words in (("no", "No such file"), ("", "not a file"), ("pipe", "not a")):
        with pytest.raises(ImageError, match=words):
            read_image(str(tmp_path / name))


@pytest.mark.parametrize("side", [12_000, 20_000, 65_500])
def test_bomb_is_refused_from_its_header(side, save):
    path = save(png_header(side, side), "bomb.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=f"bomb.png: {side} x {side} pixels") as caught:
        read_image(path)
    assert str(MAX_PIXELS) in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_damaged_bytes_never_end_in_anything_but_an_image_or_an_error(save):
    rng = np.random.default_rng(0)
    for extension in (".jpg", ".png", ".tiff", ".webp", ".bmp"):
        data = encode(picture(), extension)
        for _ in range(40):
            spoilt = bytearray(data)
            for at in rng.integers(0, len(data), 4):
                spoilt[at] = int(rng.integers(0, 256))
            try:
                image = read_image(save(bytes(spoilt)), max_pixels=10**6)
                assert image.ndim == 3 and image.shape[2] == 3
            except ImageError as error:
                assert "\n" not in str(error)


# --- orientation ----------------------------------------------------------------------


def stored(image: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores an upright image, from the EXIF definition: the value says
    where the first row and the first column of the stored image belong."""
    first_row_and_column = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: np.rot90(image),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(image, -1),
    }
    return np.ascontiguousarray(first_row_and_column[orientation])


def bars() -> np.ndarray:
    """Upright: red above, then green; blue at the left. JPEG keeps it."""
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :, 0] = 250
    image[16:, :, 1] = 250
    image[:, :16] = (0, 0, 250)
    return image


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_brings_the_image_upright(orientation, order, save):
    raw = stored(bars(), orientation)
    jpeg = encode(raw[..., ::-1], ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 98])
    path = save(with_exif(jpeg, orientation, order))
    for exif in ("auto", "apply"):
        result = read_image(path, exif, (32, 64)).astype(int)
        assert np.abs(result - bars()).mean() < 8
        assert image_size(path, exif, (32, 64)) == (32, 64)
    ignored = read_image(path, "ignore")
    assert ignored.shape == raw.shape
    assert np.abs(ignored.astype(int) - raw).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_opencv(orientation, save):
    path = save(with_exif(encode(picture()[..., ::-1], ".jpg"), orientation))
    expected = cv2.imread(path, cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_auto_ignores_a_rotation_when_only_the_stored_size_agrees(orientation, save):
    path = save(with_exif(encode(picture(), ".jpg"), orientation))
    assert read_image(path, "auto", (24, 40)).shape == (24, 40, 3)
    assert read_image(path, "auto", (40, 24)).shape == (40, 24, 3)
    assert read_image(path, "auto").shape == (40, 24, 3)
    with pytest.raises(ImageError, match="24 x 40 pixels .*orientation.* 40 x 24"):
        read_image(path, "apply", (24, 40))
    with pytest.raises(ImageError, match="annotations say 24 x 40"):
        read_image(path, "ignore", (40, 24))


def test_auto_rotates_a_square_image(save):
    image = bars()[:, :32]
    path = save(with_exif(encode(image[..., ::-1], ".jpg"), 6))
    result = read_image(path, "auto", (32, 32)).astype(int)
    assert np.abs(result - np.rot90(image, -1)).mean() < 12


def test_size_that_disagrees_names_both(save):
    path = save(encode(picture(), ".png"), "odd.png")
    with pytest.raises(ImageError, match=r"odd\.png: .* 40 x 24 .* 41 x 24") as caught:
        read_image(path, expected_size=(24, 41))
    assert caught.value.kind == "image_size_differs"


def test_png_exif_chunk_counts(save):
    data = encode(picture()[..., ::-1], ".png")
    end = 8 + 25  # signature, IHDR
    data = data[:end] + png_chunk(b"eXIf", exif_block(6)) + data[end:]
    np.testing.assert_array_equal(
        read_image(save(data)), np.rot90(picture(), -1).astype(np.uint8)
    )


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_orientation_out_of_range_is_none(orientation, save):
    path = save(with_exif(encode(picture(), ".jpg"), orientation))
    assert read_image(path).shape == (24, 40, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_none(save):
    jpeg = encode(picture(), ".jpg")
    for length in range(6, 30, 3):
        data = (b"Exif\0\0" + exif_block(6))[:length]
        segment = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
        image = read_image(save(jpeg[:2] + segment + jpeg[2:]))
        assert image.shape[:2] in ((24, 40), (40, 24))
