"""What a TIFF file says of its pixels, and which of them can be read.

OpenCV reads some kinds of TIFF as black, or as what was in the memory before, without
an error. So only those are let through that it was seen to decode rightly; the others
are refused by name.
"""

import struct
from typing import BinaryIO

from tfmask.errors import ImageError

ORIENTATION = 274
_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_PHOTOMETRIC, _SAMPLES, _PLANAR, _FORMAT = 262, 277, 284, 339
_SUBFILE_TYPE = 254
_READABLE = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}  # none, CCITT, LZW, JPEG, Deflate, ...
_COMPRESSIONS = {
    6: "JPEG of the old style",
    9: "JBIG",
    10: "JBIG",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    48124: "Jetraw",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_PALETTE = 3
_ADVICE = "save it with LZW, Deflate or no compression"


def read_size(stream: BinaryIO) -> tuple[int, int]:
    """(width, height) of the first page.

    Raises:
      ImageError: no size, or pixels that cannot be read rightly.
      struct.error: the file ends inside the header.
    """
    tags = read_tags(stream)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageError("damaged TIFF: no width and height")
    _check_samples(tags)
    compression = tags.get(_COMPRESSION, (1,))[0]
    if compression not in _READABLE:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        raise ImageError(
            f"is a TIFF with the compression {name}, which cannot be read: {_ADVICE}"
        )
    orientation = tags.get(ORIENTATION, (1,))[0]
    if orientation != 1:  # decoders disagree on whether they turn TIFF images
        raise ImageError(
            f"is a TIFF with orientation {orientation}: save it upright, without "
            "an orientation tag"
        )
    if tags.get(_SUBFILE_TYPE, (0,))[0] & 1:
        raise ImageError(
            "is a TIFF whose first page is a preview of a larger image: save the image "
            "alone"
        )
    return tags[_WIDTH][0], tags[_HEIGHT][0]


def _check_samples(tags: dict[int, tuple[int, ...]]) -> None:
    """Refuses kinds of samples that OpenCV cannot decode, or decodes wrongly."""
    bits, sample_format = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))
    if set(sample_format) != {1} or max(bits) > 16:
        word = {2: "signed", 3: "floating point"}.get(sample_format[0], "unusual")
        raise ImageError(
            f"is a TIFF of {word} {max(bits)}-bit samples, which have no fixed range: "
            "save it with unsigned samples of 8 or 16 bits"
        )
    channels = tags.get(_SAMPLES, (1,))[0]
    if not 1 <= channels <= 4:
        raise ImageError(
            f"is a TIFF of {channels} channels: expected 1 (gray) or 3 (RGB), either "
            "with alpha or without"
        )
    depth = max(bits)
    if depth not in (1, 8, 16) and tags.get(_PHOTOMETRIC, (1,))[0] != _PALETTE:
        raise ImageError(
            f"is a TIFF of {depth}-bit samples: save it with samples of 8 or 16 bits"
        )
    if depth == 16 and channels > 1 and tags.get(_PLANAR, (1,))[0] == 2:
        raise ImageError(
            "is a TIFF of 16-bit samples with its channels one after the other: save "
            "it with the channels of a pixel side by side (contiguous)"
        )


def read_tags(stream: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Integer tags of a TIFF structure's first directory, 16 values each at most.

    Raises:
      ImageError: it is no TIFF structure.
      struct.error: it ends early.
    """
    stream.seek(0)
    mark, _ = _unpack(stream, "2sH")
    if mark not in (b"II", b"MM"):
        raise ImageError("damaged TIFF structure")
    order = "<" if mark == b"II" else ">"
    stream.seek(_unpack(stream, order + "I")[0])
    (entries,) = _unpack(stream, order + "H")
    position, tags = stream.tell(), {}
    for index in range(min(entries, 512)):
        stream.seek(position + 12 * index)
        tag, kind, count = _unpack(stream, order + "HHI")
        code = {1: "B", 3: "H", 4: "I"}.get(kind)
        if code is None or not count:
            continue
        count = min(count, 16)
        if struct.calcsize(code) * count > 4:  # the values stand elsewhere
            stream.seek(_unpack(stream, order + "I")[0])
        tags[tag] = _unpack(stream, f"{order}{count}{code}")
    return tags


def _unpack(stream: BinaryIO, code: str) -> tuple:
    """Raises struct.error at the end of the file."""
    return struct.unpack(code, stream.read(struct.calcsize(code)))
