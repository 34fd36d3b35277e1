"""Format, size and orientation of an image file, read from its header alone.

Nothing is decoded here, so that a small file that claims 65500 x 65500 pixels costs
nothing, and so that a whole data set can be checked quickly. Pillow reads the headers,
by the class of the format that the first bytes name: `Image.open` would warn of large
images by its own limit. Of a TIFF that it cannot decode it says nothing more than that,
so the tags are read here; so is the orientation, which Pillow would also take from XMP.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import DecompressionBombError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tfmask.data.images import numpy_file, tiff
from tfmask.data.images.pixels import RGB, PixelFormat
from tfmask.errors import ImageError

FORMATS = "JPEG, PNG, BMP, TIFF or WebP"
# Formats that are refused by name, for a better message than "unknown".
_REFUSED = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"\x76\x2f\x31\x01", "an OpenEXR file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"II\xbc", "a JPEG XR file"),
    (b"P1", "a PBM"),
    (b"P2", "a PGM"),
    (b"P3", "a PPM"),
    (b"P4", "a PBM"),
    (b"P5", "a PGM"),
    (b"P6", "a PPM"),
    (b"\0\0\1\0", "an icon"),
    (b"<", "text (XML, SVG or HTML)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
# Of Pillow's modes that are not decoded as three channels.
_CHANNELS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "LA": 2, "RGBA": 4}
# What Pillow's header readers raise on damaged files, and on a WebP that is huge.
_DAMAGED = (
    DecompressionBombError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
)
# A damaged EXIF block or animation is no matter of ours: it is left out of account.
warnings.filterwarnings("ignore", module=r"PIL\.(Tiff|Png)ImagePlugin")


class ImageHeader(NamedTuple):
    """What the file says of itself, before any rotation."""

    format: str
    width: int
    height: int
    orientation: int  # EXIF, 1..8; 1 when there is none
    channels: int  # as they are decoded; of several pages, of all together
    pages: int = 1  # that make up the channels


def read_header(stream: BinaryIO, pixels: PixelFormat = RGB) -> ImageHeader:
    """Reads the header of an image; the file's extension plays no part.

    Args:
      stream: the file.
      pixels: what is to be read of it. NumPy's files are images where something else
        than plain RGB is asked for.

    Raises:
      ImageError: not one of the allowed formats, a kind of pixels that cannot be read,
        or a header that is cut or damaged. The message does not name the file: the
        caller knows it.
    """
    stream.seek(0)
    start = stream.read(256)
    stream.seek(0)
    if start[:2] == b"\xff\xd8":
        header = _by_pillow(stream, JpegImageFile, "JPEG")
    elif start[:8] == b"\x89PNG\r\n\x1a\n":
        header = _by_pillow(stream, PngImageFile, "PNG")
    elif start[:2] == b"BM":
        header = _by_pillow(stream, BmpImageFile, "BMP")
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        header = _by_pillow(stream, WebPImageFile, "WebP")
    elif start[:4] in (b"II*\0", b"MM\0*"):
        try:
            layout = tiff.read_layout(stream, pixels)
        except struct.error:
            raise ImageError("the header is cut off (truncated file)") from None
        channels = layout.samples * layout.pages
        size = layout.width, layout.height
        header = ImageHeader("TIFF", *size, 1, channels, layout.pages)
    elif start.startswith(numpy_file.MAGIC) and not pixels.is_plain:
        height, width, channels = numpy_file.read_shape(stream, pixels)
        header = ImageHeader("NumPy", width, height, 1, channels)
    else:
        raise ImageError(_name_unknown(start), "image_format")
    if header.width < 1 or header.height < 1:
        raise ImageError(f"the header says {header.width} x {header.height} pixels")
    return header


def _name_unknown(start: bytes) -> str:
    if not start:
        return "the file is empty"
    if start[4:8] == b"ftyp":
        return f"is a HEIF, AVIF or video file: expected {FORMATS}"
    if start[128:132] == b"DICM":
        return f"is a DICOM file: expected {FORMATS}"
    for magic, name in _REFUSED:
        if start.startswith(magic):
            return f"is {name}: expected {FORMATS}"
    return f"has no known image header: expected {FORMATS}"


def _by_pillow(stream: BinaryIO, reader: Callable, name: str) -> ImageHeader:
    try:
        image = reader(stream)
    except _DAMAGED as error:
        # Of damage Pillow says nothing that helps; of 12-bit JPEG it does.
        unusual = str(error).startswith("cannot handle")
        why = str(error) if unusual else "it is cut off or damaged"
        raise ImageError(f"the {name} header cannot be read: {why}") from None
    if name == "WebP" and image.n_frames > 1:
        raise ImageError("is an animated WebP: expected a still image")
    width, height = image.size
    orientation = _orientation(image.info.get("exif"))
    channels = _CHANNELS.get(image.mode, 3)
    return ImageHeader(name, width, height, orientation, channels)


def _orientation(exif) -> int:
    """Orientation 1..8 of an EXIF block; 1 when it has none or is damaged."""
    if not isinstance(exif, bytes):
        return 1
    stream = io.BytesIO(exif.removeprefix(b"Exif\0\0"))
    try:
        value = tiff.read_tags(stream).get(tiff.ORIENTATION, (1,))[0]
    except (struct.error, ImageError):
        return 1
    return value if 1 <= value <= 8 else 1
