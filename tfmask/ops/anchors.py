"""Anchor boxes of a feature pyramid."""

import math

import numpy as np
import tensorflow as tf


def cell_anchors(size: float, ratios, stride: int, rounding: str) -> np.ndarray:
    """The anchors of the cell at the origin.

    Args:
      size: side of the square of equal area, pixels.
      ratios: height / width of each anchor.
      stride: pixels per cell, used by `legacy` alone.
      rounding: `none`: centred on the cell's corner, exact sides (Detectron2,
        Tensorpack). `integer`: corners rounded to integers (torchvision). `legacy`:
        sides rounded at the scale of one cell, centred on the cell's middle
        (maskrcnn-benchmark; its inclusive corners written continuously).

    Returns:
      `[A, 4]` float32, one row per ratio.
    """
    rows = []
    for ratio in ratios:
        if rounding == "legacy":
            columns = round(math.sqrt(stride * stride / ratio))
            height = round(columns * ratio) * size / stride
            width = columns * size / stride
            middle = stride / 2
        else:
            width = size / math.sqrt(ratio)
            height = size * math.sqrt(ratio)
            middle = 0.0
        rows.append([-width / 2, -height / 2, width / 2, height / 2])
        if rounding == "integer":
            rows[-1] = list(np.round(rows[-1]))
        rows[-1] = [v + middle for v in rows[-1]]
    return np.asarray(rows, np.float32)


def pyramid_anchors(
    feature_sizes, image_size, sizes, ratios, strides, rounding: str
) -> list[tf.Tensor]:
    """Anchors of every cell of every level, rows first, then columns, then ratios.

    Args:
      feature_sizes: one (height, width) per level, in cells (ints or scalar tensors).
      image_size: (height, width) of the padded image. torchvision (`integer`) takes the
        stride from it by whole-number division, which differs where the pooled top
        level does not divide the image.
      sizes: anchor side of each level.
      ratios: see `cell_anchors`.
      strides: pixels per cell of each level.

    Returns:
      One `[height * width * A, 4]` float32 tensor per level.
    """
    levels = []
    for (height, width), size, stride in zip(feature_sizes, sizes, strides):
        if rounding == "integer":
            step_y, step_x = image_size[0] // height, image_size[1] // width
        else:
            step_y = step_x = stride
        # Rows move the second and fourth number, columns the others.
        y = tf.cast(tf.range(height) * step_y, tf.float32)[:, None, None, None]
        x = tf.cast(tf.range(width) * step_x, tf.float32)[:, None, None]
        shifts = y * [0.0, 1.0, 0.0, 1.0] + x * [1.0, 0.0, 1.0, 0.0]
        cell = cell_anchors(size, ratios, stride, rounding)
        levels.append(tf.reshape(shifts + cell, [-1, 4]))  # [H*W*A, 4]
    return levels


def inside(anchors: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
    """Which anchors `[A, 4]` lie wholly inside an image of (height, width): `[A]`."""
    height, width = tf.unstack(tf.cast(image_size, tf.float32))
    return (
        (anchors[:, 0] >= 0)
        & (anchors[:, 1] >= 0)
        & (anchors[:, 2] <= width)
        & (anchors[:, 3] <= height)
    )
