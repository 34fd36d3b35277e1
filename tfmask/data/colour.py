"""Changes of colours: brightness, contrast, saturation and hue in one pass."""

import math
from typing import NamedTuple

import cv2
import numpy as np

# Luma, and the plane of colours of the same luma (NTSC's YIQ), of R, G, B.
_YIQ = np.array(
    [
        [0.299, 0.587, 0.114],
        [0.595716, -0.274453, -0.321263],
        [0.211456, -0.522591, 0.311135],
    ]
)
_RGB = np.linalg.inv(_YIQ)


class Colours(NamedTuple):
    """How the colours of an image are changed, in this order."""

    brightness: float = 1.0  # factor
    contrast: float = 1.0  # factor on the distance to the image's mean luma
    saturation: float = 1.0  # factor on the distance to gray
    hue: float = 0.0  # turn, as a share of the circle; luma stays

    def apply(self, image: np.ndarray) -> None:
        """Changes an image in place.

        All four are linear in the pixels, so that nothing is rounded or cut off in
        between. Where there are not three channels, each has its own mean and
        saturation and hue have no meaning.

        Args:
          image: [H, W, C] uint8.
        """
        factor = self.brightness * self.contrast
        rest = self.brightness * (1 - self.contrast)
        if image.shape[2] == 3:
            mean = _YIQ[0] @ cv2.mean(image)[:3]
            offset = np.full((3, 1), rest * mean)
            image[:] = cv2.transform(image, np.hstack([factor * self._mixed(), offset]))
            return
        means = image.mean((0, 1))
        table = np.arange(256)[:, None] * factor + rest * means
        table = np.clip(table + 0.5, 0, 255).astype(np.uint8)[None]
        image[:] = cv2.LUT(image, table).reshape(image.shape)

    def _mixed(self) -> np.ndarray:
        """[3, 3]: saturation and hue of R, G, B."""
        angle = 2 * math.pi * self.hue
        cos, sin = self.saturation * math.cos(angle), self.saturation * math.sin(angle)
        turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        return _RGB @ turn @ _YIQ
