"""What a TIFF file says of its pixels, and which of them can be read.

OpenCV reads some kinds of TIFF as black, or as what was in the memory before, without
an error. So only those are let through that it was seen to decode rightly; the others
are refused by name.
"""

import struct
from typing import BinaryIO, NamedTuple

from tfmask.data.images.pixels import RGB, PixelFormat
from tfmask.errors import ImageError

ORIENTATION = 274
_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_PHOTOMETRIC, _SAMPLES, _PLANAR, _FORMAT = 262, 277, 284, 339
_SUBFILE_TYPE = 254
_REDUCED, _MASK = 1, 4  # bits of the subfile type
_MOST_PAGES = 1000  # directories may form a ring
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
_RANGED = {(2, 16), (3, 32)}  # (format, bits): signed and floating point
_ADVICE = "save it with LZW, Deflate or no compression"


class TiffLayout(NamedTuple):
    """What a TIFF holds."""

    width: int
    height: int
    samples: int  # of a pixel of the first page
    pages: int  # those that have the first one's size and samples, from the first on


def read_layout(stream: BinaryIO, pixels: PixelFormat = RGB) -> TiffLayout:
    """The layout of a file, whose pages are counted where several are asked for.

    Raises:
      ImageError: no size, or pixels that cannot be read rightly.
      struct.error: the file ends inside the header.
    """
    tags, following = _read_directory(stream, None)
    _check_page(tags, pixels)
    size = tags[_WIDTH][0], tags[_HEIGHT][0]
    samples = tags.get(_SAMPLES, (1,))[0]
    if pixels.converts:
        _refuse_further_pages(stream, size, following)
    pages = 1
    while not pixels.converts and following and pages <= pixels.channels:
        more, following = _read_directory(stream, following)
        _check_page(more, pixels)
        if (more[_WIDTH][0], more[_HEIGHT][0]) != size or (
            more.get(_SAMPLES, (1,))[0] != samples
        ):
            break
        pages += 1
    return TiffLayout(*size, samples, pages)


def _refuse_further_pages(stream: BinaryIO, size: tuple[int, int], following: int):
    """Refuses a file with a second image; previews and masks are none."""
    for _ in range(_MOST_PAGES):
        if not following:
            return
        tags, following = _read_directory(stream, following)
        side = tags.get(_WIDTH, (0,))[0], tags.get(_HEIGHT, (0,))[0]
        if tags.get(_SUBFILE_TYPE, (0,))[0] & (_REDUCED | _MASK):
            continue
        if side[0] >= size[0] and side[1] >= size[1]:
            raise ImageError(
                "is a TIFF of several pages, of which one alone would be read: save "
                "each page as a file of its own, or set data.channels where each page "
                "is a channel"
            )


def _check_page(tags: dict[int, tuple[int, ...]], pixels: PixelFormat) -> None:
    """Refuses a page that cannot be read rightly."""
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageError("damaged TIFF: no width and height")
    _check_samples(tags, pixels)
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
    if tags.get(_SUBFILE_TYPE, (0,))[0] & _REDUCED:
        raise ImageError(
            "is a TIFF whose first page is a preview of a larger image: save the image "
            "alone"
        )


def _check_samples(tags: dict[int, tuple[int, ...]], pixels: PixelFormat) -> None:
    """Refuses kinds of samples that OpenCV cannot decode, or decodes wrongly."""
    bits, sample_format = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))
    kind = sample_format[0], max(bits)
    ranged = kind in _RANGED and len(set(sample_format)) == len(set(bits)) == 1
    if (set(sample_format) != {1} or max(bits) > 16) and not (
        ranged and pixels.value_range
    ):
        word = {2: "signed", 3: "floating point"}.get(sample_format[0], "unusual")
        hint = ", or name their range by data.value_range=LOW,HIGH" if ranged else ""
        raise ImageError(
            f"is a TIFF of {word} {max(bits)}-bit samples, which have no fixed range: "
            f"save it with unsigned samples of 8 or 16 bits{hint}"
        )
    channels = tags.get(_SAMPLES, (1,))[0]
    if not 1 <= channels <= 4:
        wanted = "expected 1 (gray) or 3 (RGB), either with alpha or without"
        if not pixels.converts:
            wanted = "save each channel as a page, or all as a NumPy array (.npy)"
        raise ImageError(f"is a TIFF of {channels} channels: {wanted}")
    depth = max(bits)
    if (
        depth not in (1, 8, 16)
        and not ranged
        and tags.get(_PHOTOMETRIC, (1,))[0] != _PALETTE
    ):
        raise ImageError(
            f"is a TIFF of {depth}-bit samples: save it with samples of 8 or 16 bits"
        )
    if depth > 8 and channels > 1 and tags.get(_PLANAR, (1,))[0] == 2:
        raise ImageError(
            f"is a TIFF of {depth}-bit samples with its channels one after the other: "
            "save it with the channels of a pixel side by side (contiguous)"
        )


def read_tags(stream: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Integer tags of a TIFF structure's first directory, 16 values each at most.

    Raises:
      ImageError: it is no TIFF structure.
      struct.error: it ends early.
    """
    return _read_directory(stream, None)[0]


def _read_directory(
    stream: BinaryIO, start: int | None
) -> tuple[dict[int, tuple[int, ...]], int]:
    """Tags of the directory at a place, None: of the first; and where the next is."""
    stream.seek(0)
    mark, _ = _unpack(stream, "2sH")
    if mark not in (b"II", b"MM"):
        raise ImageError("damaged TIFF structure")
    order = "<" if mark == b"II" else ">"
    stream.seek(_unpack(stream, order + "I")[0] if start is None else start)
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
    stream.seek(position + 12 * entries)
    end = stream.read(4)  # an EXIF block may end without it
    return tags, struct.unpack(order + "I", end)[0] if len(end) == 4 else 0


def _unpack(stream: BinaryIO, code: str) -> tuple:
    """Raises struct.error at the end of the file."""
    return struct.unpack(code, stream.read(struct.calcsize(code)))
