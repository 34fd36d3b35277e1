"""Rows of a table, with a gradient of few operations."""

import tensorflow as tf


def take_rows(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`tf.gather` of rows, whose own gradient is ten operations that find out shapes.

    Args:
      values: `[N, ...]` floating, inner shape known.
      index: `[M]` integer.

    Returns:
      `[M, ...]`.
    """
    count = tf.shape(values)[0]

    @tf.custom_gradient
    def take(values):
        def gradient(upstream):
            return tf.math.unsorted_segment_sum(upstream, index, count)

        return tf.gather(values, index), gradient

    return take(values)
