"""Packing the valid rois of a batch, so that heads do no work on padding."""

from typing import NamedTuple

import tensorflow as tf


class Packed(NamedTuple):
    """Where each packed roi came from. M is the number of valid rois of the batch."""

    index: tf.Tensor  # [M, 2] int32 (image, position)
    shape: tf.Tensor  # [2] int32 (B, N)

    @property
    def batch_indices(self) -> tf.Tensor:
        """`[M]` int32: the image that each roi is of."""
        return self.index[:, 0]

    def take(self, values: tf.Tensor) -> tf.Tensor:
        """`[B, N, ...]` -> `[M, ...]`."""
        return tf.gather_nd(values, self.index)

    def restore(self, values: tf.Tensor) -> tf.Tensor:
        """`[M, ...]` -> `[B, N, ...]`, zero where there is no roi."""
        shape = tf.concat([self.shape, tf.shape(values)[1:]], axis=0)
        return tf.scatter_nd(self.index, values, shape)


def pack(valid: tf.Tensor) -> Packed:
    """The valid entries of `[B, N]` bool, image by image."""
    return Packed(tf.cast(tf.where(valid), tf.int32), tf.shape(valid))
