"""What an example shows of an image: which part, which way round, how large."""

from typing import NamedTuple

import cv2
import numpy as np

from tfmask.data import transforms


class View(NamedTuple):
    """A part of an image, turned and resized. Frames are in pixels.

    The part is cut out, then its rows and columns are exchanged, then it is mirrored,
    then resized.
    """

    region: tuple[int, int, int, int]  # x1, y1, x2, y2 of the image
    shape: tuple[int, int]  # (height, width) of the result
    transposed: bool = False
    flip_x: bool = False  # left and right exchanged
    flip_y: bool = False  # above and below

    @property
    def turned_shape(self) -> tuple[int, int]:
        """(height, width) of the part, turned and not resized yet."""
        x1, y1, x2, y2 = self.region
        return (x2 - x1, y2 - y1) if self.transposed else (y2 - y1, x2 - x1)

    @property
    def scales(self) -> np.ndarray:
        """[2] float64, resized / turned, (y, x)."""
        return np.array(self.shape) / self.turned_shape

    def shows_all(self, height: int, width: int) -> bool:
        """Whether an image of this size is seen whole."""
        return self.region == (0, 0, width, height)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """[n, 4] boxes of the image in the frame of the view, not clipped to it."""
        if self.region[:2] != (0, 0):
            boxes = boxes - np.array(self.region[:2] * 2, boxes.dtype)
        if self.transposed:
            boxes = boxes[:, [1, 0, 3, 2]]
        boxes = boxes * self.scales.astype(np.float32)[[1, 0, 1, 0]]
        height, width = self.shape
        if self.flip_x:
            boxes = transforms.flip_boxes(boxes, width)
        if self.flip_y:
            boxes = transforms.flip_boxes(boxes[:, [1, 0, 3, 2]], height)
            boxes = boxes[:, [1, 0, 3, 2]]
        return boxes

    def image_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """The inverse of `boxes`, inside the part that is seen."""
        height, width = self.shape
        if self.flip_x:
            boxes = transforms.flip_boxes(boxes, width)
        if self.flip_y:
            boxes = transforms.flip_boxes(boxes[:, [1, 0, 3, 2]], height)
            boxes = boxes[:, [1, 0, 3, 2]]
        boxes = boxes / self.scales[[1, 0, 1, 0]]
        if self.transposed:
            boxes = boxes[:, [1, 0, 3, 2]]
        x1, y1, x2, y2 = self.region
        boxes = boxes + np.array([x1, y1, x1, y1])
        return np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2]).astype(np.float32)

    def turn_masks(self, masks: np.ndarray) -> np.ndarray:
        """[n, R, R] box-frame masks of the image as the view has them.

        `flip_x` of a view that is not transposed is left to `InstanceMasks.compute`.
        """
        if self.transposed:
            masks = masks.transpose(0, 2, 1)
            if self.flip_x:
                masks = masks[:, :, ::-1]
        return masks[:, ::-1] if self.flip_y else masks

    @property
    def mirrors_masks(self) -> bool:
        """What `InstanceMasks.compute` is to be told, see `turn_masks`."""
        return self.flip_x and not self.transposed

    @property
    def turns_masks(self) -> bool:
        """Whether `turn_masks` changes anything."""
        return self.transposed or self.flip_y

    def draw(self, image: np.ndarray, out: np.ndarray) -> None:
        """Writes the view of an image.

        Args:
          image: [H, W, C] uint8.
          out: [height, width, C] uint8 of the view's shape.
        """
        x1, y1, x2, y2 = self.region
        image = image[y1:y2, x1:x2]
        if self.transposed:
            image = _transposed(image)
        if self.flip_x or self.flip_y:
            code = 1 if not self.flip_y else (-1 if self.flip_x else 0)
            # OpenCV drops the last axis where there is one channel.
            image = cv2.flip(image, code).reshape(image.shape)
        transforms.resize_image(image, *self.shape, out)


def _transposed(image: np.ndarray) -> np.ndarray:
    height, width, channels = image.shape
    if channels <= 4:
        return cv2.transpose(image).reshape(width, height, channels)
    return np.ascontiguousarray(image.swapaxes(0, 1))  # OpenCV knows some counts only
