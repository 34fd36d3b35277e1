"""Resizing of feature maps."""

import numpy as np
import tensorflow as tf


def upsample_align_corners(x: tf.Tensor) -> tf.Tensor:
    """Twice the side by bilinear interpolation, corner cells on corner cells.

    Cell i of the result lies at i * (S - 1) / (2S - 1) of the input. TensorFlow's
    `tf.image.resize` has half-pixel centres alone, which is another grid. Written as a
    product with the matrix of weights along each axis: the same on every device, in
    every precision, and of stock operations.

    Args:
      x: `[M, S, S, C]` floating, S and C known, S >= 1.

    Returns:
      `[M, 2S, 2S, C]` of the same type.
    """
    side, channels = x.shape[1], x.shape[3]
    weights = tf.constant(_doubling_weights(side), x.dtype)
    x = tf.matmul(weights, tf.reshape(x, [-1, side, side * channels]))
    x = tf.matmul(weights, tf.reshape(x, [-1, side, channels]))
    return tf.reshape(x, [-1, 2 * side, 2 * side, channels])


def upsample_nearest(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Each cell as a square of cells.

    Args:
      x: `[B, H, W, C]` floating, C known.
      factor: side of the square.

    Returns:
      `[B, factor H, factor W, C]` of the same type.
    """

    @tf.custom_gradient
    def upsample(x):
        b, h, w, c = tf.unstack(tf.shape(x))
        shape = [b, h, factor, w, factor, c]
        y = tf.broadcast_to(tf.reshape(x, [b, h, 1, w, 1, c]), shape)
        y = tf.reshape(y, [b, factor * h, factor * w, x.shape[-1]])

        def gradient(upstream):
            # The sum over each square; many times faster than a reduction.
            mean = tf.nn.avg_pool2d(upstream, factor, factor, "VALID")
            return factor * factor * mean

        return y, gradient

    return upsample(x)


def _doubling_weights(side: int) -> np.ndarray:
    """`[2S, S]` float32: how much each cell gives to each cell of twice as many."""
    place = np.arange(2 * side) * (side - 1) / (2 * side - 1)
    distance = np.abs(place[:, None] - np.arange(side))
    return np.maximum(1.0 - distance, 0.0).astype(np.float32)
