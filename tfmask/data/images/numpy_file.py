"""Images in NumPy's own files (.npy), for channels that no picture format has."""

from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from tfmask.data.images.pixels import PixelFormat
from tfmask.errors import ImageError

MAGIC = npy.MAGIC_PREFIX
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_shape(stream: BinaryIO, pixels: PixelFormat) -> tuple[int, int, int]:
    """(height, width, channels) of the array in a file; no pixel is read.

    Raises:
      ImageError: not an image of those channels, or samples without a range.
    """
    try:
        version = npy.read_magic(stream)
        shape, _, dtype = _READERS[version](stream)
    except (ValueError, KeyError, EOFError):
        raise ImageError("the NumPy header cannot be read: it is damaged") from None
    if len(shape) == 2:
        shape = (*shape, 1)
    channels = pixels.channels
    if len(shape) != 3 or shape[2] != channels:
        raise ImageError(
            f"is a NumPy array of shape {list(shape)}: expected [height, width, "
            f"{channels}] for data.channels={channels}"
        )
    if not pixels.takes(dtype.newbyteorder("=")):
        raise ImageError(
            f"is a NumPy array of {dtype}, which has no fixed range: save it as uint8 "
            "or uint16, or name its range by data.value_range=LOW,HIGH"
        )
    return shape


def read_array(stream: BinaryIO) -> np.ndarray | None:
    """The array, `[height, width, channels]`; None where the file ends too early."""
    try:
        array = npy.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError):
        return None
    array = array.reshape(*array.shape[:2], -1)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
