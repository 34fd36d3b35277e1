import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import encoded, photograph

from tfmask.data.images.headers import read_header as read_header_of_file
from tfmask.data.images.read import read_image
from tfmask.export.encoded import decode_image, read_header

LIMIT = 1_000_000
decode = tf.function(lambda contents: decode_image(contents, True, LIMIT))
header_of = tf.function(read_header)
IMAGE = photograph(20, 33)


def exif(orientation: int, order="<", extra=0) -> bytes:
    """A TIFF structure with `extra` other tags before the orientation."""
    entries = [(256 + i, 3, 1, 9) for i in range(extra)] + [(274, 3, 1, orientation)]
    body = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    body += struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHIHxx", tag, kind, count, value)
    return body + bytes(4)


def jpeg(orientation=None, **options) -> bytes:
    data = encoded(IMAGE, ".jpg")
    if orientation is None:
        return data
    block = b"Exif\0\0" + exif(orientation, **options)
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    comment = b"\xff\xff\xfe" + struct.pack(">H", 5) + b"abc"  # with a fill byte
    return data[:2] + comment + segment + data[2:]


def png(orientation) -> bytes:
    data, block = encoded(IMAGE, ".png"), exif(orientation)
    checksum = struct.pack(">I", zlib.crc32(b"eXIf" + block))
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + checksum
    return data[:33] + chunk + data[33:]  # after the signature and IHDR


FILES = {
    "jpeg": jpeg(),
    **{f"jpeg {i}": jpeg(i) for i in range(1, 9)},
    "jpeg big-endian": jpeg(6, order=">", extra=3),
    "jpeg orientation 9": jpeg(9),
    "gray jpeg": encoded(IMAGE[..., :1], ".jpg"),
    "png": encoded(IMAGE, ".png"),
    "gray png": encoded(IMAGE[..., :1], ".png"),
    "png of 16 bits": encoded(IMAGE.astype(np.uint16) * 257, ".png"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_decoded_as_by_the_python_path(name, tmp_path):
    (tmp_path / "file").write_bytes(FILES[name])
    expected = read_image(str(tmp_path / "file"), "apply")
    np.testing.assert_array_equal(decode(tf.constant(FILES[name])), expected)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_of_png_is_read(orientation):
    data = png(orientation)
    height, width, turned = header_of(tf.constant(data))
    expected = read_header_of_file(io.BytesIO(data))
    assert (int(height), int(width), int(turned)) == (20, 33, orientation)
    assert expected.orientation == orientation


def test_orientation_can_be_ignored():
    data = tf.constant(jpeg(6))
    assert decode_image(data, False, LIMIT).shape == (20, 33, 3)
    assert decode(data).shape == (33, 20, 3)


def huge_png() -> bytes:
    data = encoded(IMAGE, ".png")
    return data[:16] + struct.pack(">II", 20_000, 20_000) + data[24:]


def huge_jpeg() -> bytes:
    data = jpeg()
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", 20_000, 20_000) + data[frame + 9 :]


BAD = {
    "empty": (b"", "cannot be read"),
    "garbage": (bytes(range(256)), "cannot be read"),
    "only a start": (b"\xff\xd8", "cannot be read"),
    "gif": (b"GIF89a" + bytes(60), "cannot be read"),
    "cut header": (FILES["png"][:20], "cannot be read"),
    "cut jpeg": (FILES["jpeg"][:400], "JPEG"),
    "cut png": (FILES["png"][:300], "PNG"),
    "huge png": (huge_png(), "20000"),
    "huge jpeg": (huge_jpeg(), "20000"),
    "impossible segment": (b"\xff\xd8\xff\xe1\0\0" + bytes(40), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_decoded_is_an_invalid_argument(name):
    data, words = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        decode(tf.constant(data))
    assert decode(tf.constant(FILES["jpeg"])).shape == (20, 33, 3)


@pytest.mark.parametrize("kind", ["jpeg 6", "png"])
def test_cut_and_damaged_headers_end_the_reading(kind):
    whole = FILES[kind]
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole[: rng.integers(2, 120)])
        for place in rng.integers(2, max(len(data), 3), 3):
            if place < len(data):
                data[place] = rng.integers(256)
        height, width, orientation = header_of(tf.constant(bytes(data)))
        assert 1 <= int(orientation) <= 8 and int(height) >= 0 and int(width) >= 0
