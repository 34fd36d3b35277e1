"""Reading image files as 8 bits a channel, by one rule for every kind of file.

Unless other channels or a range of values are asked for (`pixels.PixelFormat`):

| File                        | Result                                               |
|-----------------------------|------------------------------------------------------|
| gray                        | the value three times                                |
| gray or RGB with alpha      | alpha is dropped (no blending)                       |
| palette                     | the palette's colours                                |
| CMYK JPEG                   | RGB by OpenCV's formula (stored inverted, as Adobe)  |
| 16 bits per sample          | `value >> 8`; a note where that is nearly black      |
| float, signed, 32-bit TIFF  | refused: such samples have no fixed range            |
| TIFF of over 4 channels     | refused by their number                              |
| TIFF of rare compression    | refused by its name: JPEG 2000, LZMA, Zstandard, ... |
| several pages or frames     | first page of a TIFF; animated WebP is refused       |
| anything else               | refused by name: GIF, HEIF, JPEG 2000, ...           |

Where one channel is asked for, colours become gray. Any other number has to be the
file's: a PNG, WebP or TIFF with alpha has 4, a TIFF of gray pages has one a page, a
NumPy array those of its last axis. With a range, the values in it become 0 to 255, and
float or signed 16-bit TIFFs and NumPy arrays of any numbers are read too.

The kind is told from the content; the extension plays no part. EXIF orientation is
read and applied here, never by the decoder, and follows the `exif` setting.
"""

import io
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from tfmask.data.images import numpy_file
from tfmask.data.images.headers import ImageHeader, read_header
from tfmask.data.images.pixels import RGB, PixelFormat
from tfmask.errors import ImageError

# 100 megapixels, 300 MB decoded: above every usual camera, and small enough that one
# file cannot exhaust the memory.
MAX_PIXELS = 100_000_000
_MAX_BYTES = 1 << 30  # of a file; no image of MAX_PIXELS needs more
_TWELVE_BITS = 1 << 12  # what cameras and scanners of 12 bits stay below

# What OpenCV would print about a bad file is in the ImageError already.
_logging = getattr(cv2, "utils", None) and getattr(cv2.utils, "logging", None)
if _logging is not None:
    _logging.setLogLevel(_logging.LOG_LEVEL_SILENT)
elif hasattr(cv2, "setLogLevel"):
    cv2.setLogLevel(0)


class Span(NamedTuple):
    """Where an image lies in a file that holds many."""

    record: int  # its number in the file, from 1; messages name it
    offset: int  # bytes
    length: int  # bytes


def read_image(
    path: str,
    exif: str = "auto",
    expected_size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    note: Callable[[str], object] | None = None,
    span: Span | None = None,
    pixels: PixelFormat = RGB,
) -> np.ndarray:
    """Reads an image file.

    Args:
      path: the file.
      exif: `apply` the file's orientation, `ignore` it, or `auto`: apply it unless
        only the stored size agrees with `expected_size`.
      expected_size: (height, width) from the annotations, checked after rotation.
      max_pixels: a header that claims more is refused before anything is decoded.
      note: called with a sentence about an image that comes out nearly black because
        its 16-bit samples use the lower bits alone.
      span: the part of the file that is the image; None: all of it.
      pixels: channels and range of values; the default is RGB.

    Returns:
      [height, width, C] uint8; three channels are RGB, four RGB and alpha.

    Raises:
      ImageError: naming the file, what is wrong with it and what is expected.
    """
    data = read_bytes(path, span)
    path = _name(path, span)
    header = _checked_header(path, io.BytesIO(data), max_pixels, pixels)
    orientation = _orientation(path, header, exif, expected_size)
    image = _decode(data, header, pixels)
    if image is not None and pixels.takes(image.dtype):
        if image.dtype == np.uint16 and note and not pixels.value_range:
            _note_dark(path, int(image.max(initial=0)), note)
        image = pixels.to_bytes(image)
    if image is None or image.dtype != np.uint8:
        raise ImageError(
            f"{path}: the {header.format} data cannot be decoded (truncated or "
            "damaged): replace the file",
            "image_unreadable",
        )
    if image.shape[:2] != (header.height, header.width):
        raise ImageError(
            f"{path}: the header says {header.width} x {header.height}, the data has "
            f"{image.shape[1]} x {image.shape[0]} pixels: replace the file",
            "image_unreadable",
        )
    if image.shape[2] != pixels.channels:
        raise _other_channels(path, image.shape[2], pixels)
    if header.format != "NumPy" and pixels.channels in (3, 4) and header.pages == 1:
        code = cv2.COLOR_BGR2RGB if pixels.channels == 3 else cv2.COLOR_BGRA2RGBA
        cv2.cvtColor(image, code, image)
    return _turn(image, orientation)


def _decode(data: bytes, header: ImageHeader, pixels: PixelFormat) -> np.ndarray | None:
    """The samples of a file, [H, W, C] in OpenCV's order; None where it is damaged."""
    if header.format == "NumPy":
        return numpy_file.read_array(io.BytesIO(data))
    encoded = np.frombuffer(data, np.uint8)
    # OpenCV does not make colours of signed or floating-point gray.
    gray = pixels.channels == 1 or (pixels.value_range and header.channels == 1)
    flags = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    try:
        if pixels.converts:
            flags |= cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
            image = cv2.imdecode(encoded, flags)
        elif header.pages > 1:
            done, pages = cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED)
            image = np.stack(pages, 2) if done else None
        else:
            image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except (cv2.error, ValueError):  # of pages that are not alike
        return None
    if image is not None and image.ndim == 2:
        image = image[:, :, None]
        if pixels.channels == 3:
            image = np.repeat(image, 3, axis=2)
    return image


def _note_dark(path: str, brightest: int, note: Callable[[str], object]) -> None:
    if 0 < brightest < _TWELVE_BITS:
        note(
            f"{path}: its 16-bit samples go up to {brightest} of 65535 and are nearly "
            "black as 8 bits: scale them to the whole range, or name theirs by "
            f"data.value_range=0,{_TWELVE_BITS - 1}"
        )


def _other_channels(path: str, found: int, pixels: PixelFormat) -> ImageError:
    return ImageError(
        f"{path}: it has {found} channel{'s' * (found > 1)}: expected "
        f"{pixels.channels}, as data.channels says",
        "image_channels",
    )


def image_size(
    path: str,
    exif: str = "auto",
    expected_size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    span: Span | None = None,
    pixels: PixelFormat = RGB,
) -> tuple[int, int]:
    """The (height, width) that `read_image` would return, from the header alone.

    Raises:
      ImageError: as `read_image`, except for faults behind the header.
    """
    if span is not None:
        stream = io.BytesIO(read_bytes(path, span))
        path = _name(path, span)
        header = _checked_header(path, stream, max_pixels, pixels)
    else:
        _check_file(path)
        try:
            with open(path, "rb") as file:
                header = _checked_header(path, file, max_pixels, pixels)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}", "image_unreadable") from None
    orientation = _orientation(path, header, exif, expected_size)
    size = header.height, header.width
    return size[::-1] if orientation >= 5 else size


def read_bytes(path: str, span: Span | None = None) -> bytes:
    """An image as it is stored.

    Raises:
      ImageError: the file cannot be read, or is shorter than the span.
    """
    length = _check_file(path, span)
    try:
        with open(path, "rb") as stream:
            stream.seek(span.offset if span else 0)
            data = stream.read(length if span else -1)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}", "image_unreadable") from None
    if span is not None and len(data) < length:
        raise ImageError(
            f"{_name(path, span)}: the file has become shorter since it was opened",
            "image_unreadable",
        )
    return data


def _name(path: str, span: Span | None) -> str:
    return path if span is None else f"{path}, record {span.record}"


def _check_file(path: str, span: Span | None = None) -> int:
    """The bytes of an image in a regular file."""
    try:
        info = os.stat(path)
    except (OSError, ValueError) as error:
        word = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path}: {word}", "image_missing") from None
    if not stat.S_ISREG(info.st_mode):
        raise ImageError(f"{path}: not a file", "image_missing")
    length = info.st_size if span is None else span.length
    if length > _MAX_BYTES:
        raise ImageError(
            f"{path}: {length} bytes: expected at most {_MAX_BYTES}",
            "image_too_large",
        )
    return length


def _checked_header(
    path: str, stream, max_pixels: int, pixels: PixelFormat
) -> ImageHeader:
    try:
        header = read_header(stream, pixels)
    except ImageError as error:
        raise ImageError(f"{path}: {error}", "image_unreadable") from None
    if header.width * header.height > max_pixels:
        raise ImageError(
            f"{path}: {header.width} x {header.height} pixels: expected at most "
            f"{max_pixels}; make it smaller",
            "image_too_large",
        )
    if not pixels.converts and header.channels != pixels.channels:
        raise _other_channels(path, header.channels, pixels)
    return header


def _orientation(path: str, header: ImageHeader, exif: str, expected_size) -> int:
    """The EXIF orientation to apply, 1..8, after checking the size that it gives."""
    stored = header.height, header.width
    orientation = 1 if exif == "ignore" else header.orientation
    if expected_size is None:
        return orientation
    expected = tuple(expected_size)
    if exif == "auto" and orientation >= 5 and stored[::-1] != expected == stored:
        orientation = 1
    size = stored[::-1] if orientation >= 5 else stored
    if size != expected:
        turned = f" (EXIF orientation {header.orientation}, exif={exif})"
        raise ImageError(
            f"{path}: the image is {size[1]} x {size[0]} pixels"
            f"{turned if header.orientation != 1 else ''}, the annotations say "
            f"{expected[1]} x {expected[0]} (width x height): correct the annotations "
            "or replace the file",
            "image_size_differs",
        )
    return orientation


def _turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Brings an image upright from its EXIF orientation."""
    if orientation == 1:
        return image
    channels = image.shape[2]  # OpenCV drops the axis where there is one
    if orientation <= 4:  # mirrored, upside down, upside down and mirrored
        turned = cv2.flip(image, {2: 1, 3: -1, 4: 0}[orientation])
    else:
        turned = cv2.transpose(image)
        if orientation > 5:
            turned = cv2.flip(turned, {6: 1, 7: -1, 8: 0}[orientation])
    return turned.reshape(*turned.shape[:2], channels)
