"""TIFFs that OpenCV would read as black or as rubbish are refused by name."""

import cv2
import numpy as np
import pytest
from image_bytes import encode, picture, with_tiff_tag

from tfmask.data.images.read import image_size, read_image
from tfmask.errors import ImageError

PLAIN = [cv2.IMWRITE_TIFF_COMPRESSION, 1]


@pytest.fixture
def save(tmp_path):
    def write(data: bytes) -> str:
        path = tmp_path / "scan.tif"
        path.write_bytes(data)
        return str(path)

    return write


def refused(path: str, words: str) -> None:
    """Both the header's check and the reading refuse the file, in these words."""
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match=rf"scan\.tif: is a TIFF .*{words}"):
            read(path)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 32946])
def test_usual_compressions_are_read(compression, save):
    data = encode(picture(), ".tiff", [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    np.testing.assert_array_equal(read_image(save(data)), picture()[..., ::-1])


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (6, "JPEG of the old style"),
        (34712, "JPEG 2000"),
        (33003, "JPEG 2000"),
        (34925, "LZMA"),
        (50000, "Zstandard"),
        (50001, "WebP"),
        (34887, "LERC"),
        (34933, "PNG"),
        (50002, "JPEG XL"),
        (34934, "JPEG XR"),
        (12345, "number 12345"),
    ],
)
def test_a_compression_that_cannot_be_read_is_named(number, name, save):
    data = with_tiff_tag(encode(picture(), ".tiff", PLAIN), 259, 3, number)
    refused(save(data), f"the compression {name}, which cannot be read")


@pytest.mark.parametrize("channels", [0, 5, 12])
def test_the_number_of_channels_is_named(channels, save):
    data = with_tiff_tag(encode(picture(), ".tiff", PLAIN), 277, 3, channels)
    refused(save(data), f"of {channels} channels")


def test_channels_of_16_bits_one_after_the_other_are_refused(save):
    wide = picture().astype(np.uint16) << 8
    data = encode(wide, ".tiff", PLAIN)
    np.testing.assert_array_equal(read_image(save(data)), picture()[..., ::-1])
    refused(save(with_tiff_tag(data, 284, 3, 2)), "16-bit .*side by side")


@pytest.mark.parametrize("bits", [2, 4, 12])
def test_odd_depths_are_named(bits, save):
    gray = encode(picture()[..., 0], ".tiff", PLAIN)
    refused(save(with_tiff_tag(gray, 258, 3, bits)), f"of {bits}-bit samples")


def test_a_preview_before_the_image_is_refused(save):
    data = with_tiff_tag(encode(picture(), ".tiff", PLAIN), 254, 4, 1)
    refused(save(data), "preview")


def test_a_turned_tiff_is_refused(save):
    data = with_tiff_tag(encode(picture(), ".tiff", PLAIN), 274, 3, 6)
    refused(save(data), "with orientation 6")


def pages(*images) -> bytes:
    done, data = cv2.imencodemulti(".tiff", list(images), PLAIN)
    assert done
    return data.tobytes()


def test_a_second_page_is_not_lost_in_silence(save):
    refused(save(pages(picture(), picture())), "several pages, .* data.channels")
    refused(save(pages(picture()[:8], picture())), "several pages")


def test_a_smaller_page_after_the_image_is_a_preview(save):
    path = save(pages(picture(), picture()[:8, :8]))
    np.testing.assert_array_equal(read_image(path), picture()[..., ::-1])
    assert image_size(path) == picture().shape[:2]
