"""What images are to come out as: channels, and which stored values are 0 and 255."""

from typing import NamedTuple

import cv2
import numpy as np

from tfmask.config import DataConfig


class PixelFormat(NamedTuple):
    """How the samples of a file become the pixels of an image, 8 bits each.

    With one or three channels every file of ordinary pictures is taken: colours become
    gray, gray becomes three equal channels. Another number has to be that of the file.
    """

    channels: int = 3  # of an image: 3 RGB, 1 gray, else those of the file in order
    # Stored values that become 0 and 255. Empty: 8 bits stay, 16 lose the lower 8.
    value_range: tuple[float, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is 8-bit RGB by the usual rule."""
        return self == PixelFormat()

    @property
    def converts(self) -> bool:
        """Whether one kind of picture is made another, gray of colours or colours of
        gray."""
        return self.channels in (1, 3)

    def takes(self, dtype: np.dtype) -> bool:
        """Whether samples of a type can be brought to 8 bits.

        Samples other than unsigned ones of 8 or 16 bits have no range of their own.
        """
        usual = dtype in (np.uint8, np.uint16)
        return usual or (bool(self.value_range) and dtype.kind in "iuf")

    def to_bytes(self, samples: np.ndarray) -> np.ndarray:
        """Samples as uint8; those outside the range become 0 or 255, NaN becomes 0."""
        if not self.value_range:
            if samples.dtype == np.uint16:
                return (samples // 256).astype(np.uint8)
            return samples
        low, high = self.value_range
        if samples.dtype not in (np.uint8, np.uint16, np.int16, np.float32):
            samples = samples.astype(np.float64)  # what OpenCV does not know
        scale = 255.0 / (high - low)
        # It takes the absolute value, so nothing may lie below.
        above = np.fmax(samples, np.asarray(_floor(low, samples.dtype), samples.dtype))
        scaled = cv2.convertScaleAbs(above, alpha=scale, beta=-low * scale)
        return scaled.reshape(samples.shape)


RGB = PixelFormat()


def pixel_format(options: DataConfig) -> PixelFormat:
    """What the settings of data ask for."""
    return PixelFormat(options.channels, options.value_range)


def _floor(low: float, dtype: np.dtype) -> float:
    """The lower end, or what a whole number of the type has nearest above it."""
    if dtype.kind == "f":
        return low
    info = np.iinfo(dtype)
    return min(max(int(np.ceil(low)), info.min), info.max)
