"""Headers: sizes that are claimed and never allocated, damage that is only named."""

import io
import resource
import struct

import numpy as np
import pytest
from image_bytes import encode, picture, png_header, with_tiff_tag

from tfmask.data.images.headers import read_header
from tfmask.errors import ImageError


def claimed(name: str, side: int) -> bytes:
    """A small file whose header says `side` x `side` pixels."""
    if name == "PNG":
        return png_header(side, side)
    data = bytearray(encode(picture(), {"JPEG": ".jpg"}.get(name, f".{name.lower()}")))
    if name == "JPEG":
        at = data.index(b"\xff\xc0") + 5  # start of frame: height, width
        data[at : at + 4] = struct.pack(">HH", side, side)
    elif name == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    elif name == "TIFF":
        data = with_tiff_tag(bytes(data), 256, 4, side)
        data = with_tiff_tag(data, 257, 4, side)
    elif name == "WebP":  # in the extended form
        chunk = b"VP8X" + struct.pack("<IB3x", 10, 0)
        chunk += (side - 1).to_bytes(3, "little") * 2
        data = b"RIFF" + struct.pack("<I", len(data) + 10) + b"WEBP" + chunk + data[12:]
    return bytes(data)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "TIFF", "WebP"])
def test_a_huge_size_costs_nothing(name):
    side = 65_500 if name not in ("JPEG", "WebP") else 16_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        header = read_header(io.BytesIO(claimed(name, side)))
        assert (header.format, header.width, header.height) == (name, side, side)
    except ImageError as error:  # Pillow's own limit, or a canvas unlike the image
        assert name == "WebP" and "cannot be read" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".webp", ".bmp"])
def test_damaged_headers_end_in_a_header_or_an_error(extension):
    rng = np.random.default_rng(0)
    data = encode(picture(), extension)
    outcomes = set()
    for _ in range(500):
        spoilt = bytearray(data)
        for at in rng.integers(0, min(len(data), 200), int(rng.integers(1, 6))):
            spoilt[at] = int(rng.integers(0, 256))
        try:
            header = read_header(io.BytesIO(bytes(spoilt[: rng.integers(len(data))])))
            assert header.width > 0 and header.height > 0
            outcomes.add("header")
        except ImageError as error:
            assert "\n" not in str(error)
            outcomes.add("error")
    assert "error" in outcomes
