"""Format, size and orientation of an image file, read from its header alone.

Nothing is decoded here, so that a small file that claims 65500 x 65500 pixels costs
nothing, and so that a whole data set can be checked quickly.
"""

import io
import struct
from typing import BinaryIO, NamedTuple

from tfmask.errors import ImageError

FORMATS = "JPEG, PNG, BMP, TIFF or WebP"
_ORIENTATION = 274  # EXIF and TIFF tag
# Formats that are refused by name, for a better message than "unknown".
_REFUSED = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\x76\x2f\x31\x01", "an OpenEXR file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"<", "text (XML, SVG or HTML)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


class ImageHeader(NamedTuple):
    """What the file says of itself, before any rotation."""

    format: str
    width: int
    height: int
    orientation: int  # EXIF, 1..8; 1 when there is none


def read_header(stream: BinaryIO) -> ImageHeader:
    """Reads the header of an image; the file's extension plays no part.

    Raises:
      ImageError: not one of the allowed formats, or a header that is cut or damaged.
        The message does not name the file: the caller knows it.
    """
    stream.seek(0)
    start = stream.read(32)
    stream.seek(0)
    try:
        if start[:2] == b"\xff\xd8":
            header = _jpeg(stream)
        elif start[:8] == b"\x89PNG\r\n\x1a\n":
            header = _png(stream)
        elif start[:2] == b"BM":
            header = _bmp(stream)
        elif start[:4] in (b"II*\0", b"MM\0*"):
            header = _tiff(stream)
        elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            header = _webp(stream)
        else:
            raise ImageError(_name_unknown(start), "image_format")
    except struct.error:
        raise ImageError("the header is cut off (truncated file)") from None
    if header.width < 1 or header.height < 1:
        raise ImageError(f"the header says {header.width} x {header.height} pixels")
    return header


def _name_unknown(start: bytes) -> str:
    if not start:
        return "the file is empty"
    if start[4:8] == b"ftyp":
        return f"is a HEIF, AVIF or video file: expected {FORMATS}"
    for magic, name in _REFUSED:
        if start.startswith(magic):
            return f"is {name}: expected {FORMATS}"
    return f"has no known image header: expected {FORMATS}"


def _unpack(stream: BinaryIO, code: str) -> tuple:
    """Raises struct.error at the end of the file."""
    return struct.unpack(code, stream.read(struct.calcsize(code)))


def _jpeg(stream: BinaryIO) -> ImageHeader:
    stream.seek(2)
    orientation = 1
    while True:
        (byte,) = _unpack(stream, "B")
        if byte != 0xFF:
            raise ImageError("damaged JPEG: no marker where one must be")
        while byte == 0xFF:  # markers may be preceded by fill bytes
            (byte,) = _unpack(stream, "B")
        if byte == 0x01 or 0xD0 <= byte <= 0xD8:  # markers without a segment
            continue
        if byte in (0xD9, 0xDA):
            raise ImageError("damaged JPEG: image data before its size")
        (length,) = _unpack(stream, ">H")
        if length < 2:
            raise ImageError("damaged JPEG: segment of impossible length")
        # Start of frame 0..15; C4, C8 and CC are tables.
        if 0xC0 <= byte <= 0xCF and byte not in (0xC4, 0xC8, 0xCC):
            _, height, width = _unpack(stream, ">BHH")
            return ImageHeader("JPEG", width, height, orientation)
        if byte == 0xE1 and orientation == 1:
            orientation = _exif(stream.read(length - 2))
        else:
            stream.seek(length - 2, io.SEEK_CUR)


def _png(stream: BinaryIO) -> ImageHeader:
    stream.seek(8)
    length, kind, width, height = _unpack(stream, ">I4sII")
    if kind != b"IHDR" or length != 13:
        raise ImageError("damaged PNG: no IHDR")
    stream.seek(5 + 4, io.SEEK_CUR)  # rest of IHDR, checksum
    orientation = 1
    while orientation == 1:  # eXIf counts when it stands before the image data
        chunk = stream.read(8)
        if len(chunk) < 8 or chunk[4:] in (b"IDAT", b"IEND"):
            break
        length = struct.unpack(">I", chunk[:4])[0]
        if chunk[4:] == b"eXIf":
            orientation = _exif(stream.read(min(length, 1 << 16)))
        else:
            stream.seek(length + 4, io.SEEK_CUR)
    return ImageHeader("PNG", width, height, orientation)


def _bmp(stream: BinaryIO) -> ImageHeader:
    stream.seek(14)
    (size,) = _unpack(stream, "<I")
    width, height = _unpack(stream, "<HH" if size == 12 else "<ii")
    return ImageHeader("BMP", width, abs(height), 1)  # negative: stored top down


def _webp(stream: BinaryIO) -> ImageHeader:
    stream.seek(12)
    kind, length = _unpack(stream, "<4sI")
    if kind == b"VP8 ":
        _, _, width, height = _unpack(stream, "<3s3sHH")
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF, 1)
    if kind == b"VP8L":
        _, bits = _unpack(stream, "<BI")
        return ImageHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind != b"VP8X":
        raise ImageError("damaged WebP: unknown first chunk")
    flags, size = _unpack(stream, "<B3x6s")
    if flags & 2:
        raise ImageError("is an animated WebP: expected a still image")
    width = int.from_bytes(size[:3], "little") + 1
    height = int.from_bytes(size[3:], "little") + 1
    orientation, end = 1, 20 + length
    while flags & 8 and orientation == 1:  # an EXIF chunk follows the image data
        stream.seek(end + end % 2)
        chunk = stream.read(8)
        if len(chunk) < 8:
            break
        length = struct.unpack("<I", chunk[4:])[0]
        if chunk[:4] == b"EXIF":
            orientation = _exif(stream.read(min(length, 1 << 16)))
        end = stream.tell() + length
    return ImageHeader("WebP", width, height, orientation)


def _exif(data: bytes) -> int:
    """Orientation 1..8 of an EXIF block; 1 when it has none or is damaged."""
    stream = io.BytesIO(data.removeprefix(b"Exif\0\0"))
    try:
        value = _tiff_tags(stream).get(_ORIENTATION, (1,))[0]
    except (struct.error, ImageError):
        return 1
    return value if 1 <= value <= 8 else 1


def _tiff(stream: BinaryIO) -> ImageHeader:
    tags = _tiff_tags(stream)
    if 256 not in tags or 257 not in tags:
        raise ImageError("damaged TIFF: no width and height")
    bits, sample_format = tags.get(258, (1,)), tags.get(339, (1,))
    if set(sample_format) != {1} or max(bits) > 16:
        word = {2: "signed", 3: "floating point"}.get(sample_format[0], "unusual")
        raise ImageError(
            f"is a TIFF of {word} {max(bits)}-bit samples, which have no fixed range: "
            "save it with unsigned samples of 8 or 16 bits"
        )
    orientation = tags.get(_ORIENTATION, (1,))[0]
    if orientation != 1:  # decoders disagree on whether they turn TIFF images
        raise ImageError(
            f"is a TIFF with orientation {orientation}: save it upright, without "
            "an orientation tag"
        )
    return ImageHeader("TIFF", tags[256][0], tags[257][0], 1)


def _tiff_tags(stream: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Integer tags of a TIFF structure's first directory, 16 values each at most."""
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
