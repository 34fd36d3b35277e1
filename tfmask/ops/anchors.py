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
    shifts = []  # of all rows, then of all columns, so that a GPU gets them in one
    for axis in (0, 1):
        for sides, stride in zip(feature_sizes, strides):
            step = stride
            if rounding == "integer":
                step = image_size[axis] // sides[axis]
            shifts.append(tf.range(sides[axis]) * step)
    counts = [sides[axis] for axis in (0, 1) for sides in feature_sizes]
    shifts = tf.split(tf.cast(tf.concat(shifts, 0), tf.float32)[:, None], counts)
    levels = []
    columns = shifts[len(strides) :]
    for y, x, size, stride in zip(shifts, columns, sizes, strides):
        # Rows move the second and fourth number, columns the others.
        shift = y[:, None, None] * [0.0, 1.0, 0.0, 1.0] + x[:, None] * [1.0, 0, 1.0, 0]
        cell = cell_anchors(size, ratios, stride, rounding)
        levels.append(tf.reshape(shift + cell, [-1, 4]))  # [H*W*A, 4]
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
