"""Packing the valid rois of a batch, so that heads do no work on padding."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.ops import _roi_gathers


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
        return rows_at(values, self.batch_indices, self.index[:, 1])

    def restore(self, values: tf.Tensor) -> tf.Tensor:
        """`[M, ...]` -> `[B, N, ...]`, zero where there is no roi."""
        shape = tf.concat([self.shape, tf.shape(values)[1:]], axis=0)
        return tf.scatter_nd(self.index, values, shape)


def rows_at(values: tf.Tensor, batch_indices: tf.Tensor, position: tf.Tensor):
    """Rows `[M, ...]` of `[B, N, ...]` by image `[M]` and position in it `[M]`.

    Not tf.gather_nd, whose gradient and bookkeeping are longer. Bytes, of a width that
    is known and a multiple of four, are taken as words, which a GPU can gather.
    """
    shape, inner = tf.shape(values), values.shape[2:]
    rows = tf.reshape(values, tf.concat([shape[:1] * shape[1:2], shape[2:]], 0))
    rows = tf.ensure_shape(rows, [None, *inner])
    index = batch_indices * shape[1] + position
    if values.dtype != tf.uint8 or not inner.is_fully_defined() or inner[-1] % 4:
        return tf.gather(rows, index)
    words = tf.reshape(rows, [-1, *inner[:-1], inner[-1] // 4, 4])
    taken = tf.gather(tf.bitcast(words, tf.int32), index)
    return tf.reshape(tf.bitcast(taken, tf.uint8), [-1, *inner])


def pack(valid: tf.Tensor) -> Packed:
    """The valid entries of `[B, N]` bool, image by image."""
    return Packed(tf.cast(tf.where(valid), tf.int32), tf.shape(valid))


def map_images(function, inputs: tuple, signature):
    """`tf.map_fn` over the images of a batch.

    Within `ops._roi_gathers.as_gathers` a batch that is known to be one has no loop:
    the runtimes that it is for do not run this one.

    Args:
      function: of a tuple, each part the image's own.
      inputs: tensors `[B, ...]`, or lists of them.
      signature: types of what the function returns, in the same structure.

    Returns:
      What the function returns, `[B, ...]` each.
    """
    single = any(value.shape[0] == 1 for value in tf.nest.flatten(inputs))
    if not (single and _roi_gathers.in_use()):
        return tf.map_fn(function, inputs, fn_output_signature=signature)
    outputs = function(tf.nest.map_structure(lambda value: value[0], inputs))
    return tf.nest.map_structure(lambda value: value[tf.newaxis], outputs)


# Numbers of rois that a GPU computes masks for. Every new number is a new shape of
# convolution, which cuDNN plans for a tenth of a second or more; training meets
# hundreds of numbers of foreground rois, and these are few.
_BUCKETS = (16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)


def padded_count(count: tf.Tensor) -> tf.Tensor:
    """How many rows packed rois are padded to before convolutions.

    One at least, because convolutions fail on batches of none. On a GPU the next of a
    few numbers; on a CPU, where padding costs arithmetic and shapes cost nothing, no
    more.

    Args:
      count: scalar int32, M.

    Returns:
      Scalar int32.
    """
    if not _has_gpu():
        return tf.maximum(count, 1)
    buckets = tf.constant(_BUCKETS)
    larger = tf.where(buckets >= count, buckets, _BUCKETS[-1])
    multiple = (count + _BUCKETS[-1] - 1) // _BUCKETS[-1] * _BUCKETS[-1]
    return tf.where(count <= _BUCKETS[-1], tf.reduce_min(larger), multiple)


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))
