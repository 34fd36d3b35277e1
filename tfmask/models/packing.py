"""Packing the valid rois of a batch, so that heads do no work on padding."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.ops import _roi_gathers


class Packed(NamedTuple):
    """Where each packed roi came from. M is the number of valid rois of the batch.

    Indices are of `index_type`.
    """

    index: tf.Tensor  # [M] integer: image * N + position
    shape: tf.Tensor  # [2] int32 (B, N)

    @property
    def batch_indices(self) -> tf.Tensor:
        """`[M]` integer: the image that each roi is of."""
        return self.index // tf.cast(self.shape[1], self.index.dtype)

    def take(self, values: tf.Tensor) -> tf.Tensor:
        """`[B, N, ...]` -> `[M, ...]`."""
        return rows_at(values, self.index)

    def restore(self, values: tf.Tensor) -> tf.Tensor:
        """`[M, ...]` -> `[B, N, ...]`, zero where there is no roi."""
        inner = tf.shape(values)[1:]
        rows = tf.concat([[self.shape[0] * self.shape[1]], inner], axis=0)
        rows = tf.cast(rows, self.index.dtype)
        flat = tf.scatter_nd(self.index[:, None], values, rows)
        return tf.reshape(flat, tf.concat([self.shape, inner], axis=0))


def rows_at(values: tf.Tensor, index: tf.Tensor):
    """Rows `[M, ...]` of `[B, N, ...]` by their number `[M]`: image * N + position.

    Not tf.gather_nd, whose gradient and bookkeeping are longer. Bytes, of a width that
    is known and a multiple of four, are taken as words, which a GPU can gather.
    """
    inner = values.shape[2:]
    if inner.is_fully_defined():
        rows = tf.reshape(values, [-1, *inner])
    else:
        shape = tf.shape(values)
        rows = tf.reshape(values, tf.concat([shape[:1] * shape[1:2], shape[2:]], 0))
        rows = tf.ensure_shape(rows, [None, *inner])
    if values.dtype != tf.uint8 or not inner.is_fully_defined() or inner[-1] % 4:
        return tf.gather(rows, index)
    words = tf.reshape(rows, [-1, *inner[:-1], inner[-1] // 4, 4])
    taken = tf.gather(tf.bitcast(words, tf.int32), index)
    return tf.reshape(tf.bitcast(taken, tf.uint8), [-1, *inner])


def pack(valid: tf.Tensor) -> Packed:
    """The valid entries of `[B, N]` bool, image by image."""
    index = tf.where(tf.reshape(valid, [-1]))[:, 0]
    return Packed(tf.cast(index, index_type()), tf.shape(valid))


def index_type() -> tf.DType:
    """int64, which a GPU computes with itself; int32 in what is traced for a converter.

    Some runtimes have no other indices.
    """
    return tf.int32 if _roi_gathers.converting() else tf.int64


def map_images(function, inputs: tuple, signature, in_turn: bool = False):
    """Calls a function for each image of a batch.

    Where their number is known there is no loop, which TensorFlow turns by the host;
    the runtimes of `ops._roi_gathers.as_gathers` do not run loops at all.

    Args:
      function: of a tuple, each part the image's own.
      inputs: tensors `[B, ...]`, or lists of them.
      signature: types of what the function returns, in the same structure.
      in_turn: an image begins when the one before is done, so that the memory of one is
        enough.

    Returns:
      What the function returns, `[B, ...]` each.
    """
    known = [value.shape[0] for value in tf.nest.flatten(inputs)]
    count = next((size for size in known if size is not None), None)
    if count is None:
        return tf.map_fn(
            function,
            inputs,
            fn_output_signature=signature,
            parallel_iterations=1 if in_turn else None,
        )
    if count == 1:
        outputs = function(tf.nest.map_structure(lambda value: value[0], inputs))
        return tf.nest.map_structure(lambda value: value[tf.newaxis], outputs)
    parts = [tf.unstack(value, count) for value in tf.nest.flatten(inputs)]
    rows: list = []
    for own in zip(*parts):
        row = list(own)
        if in_turn and rows:
            with tf.control_dependencies(tf.nest.flatten(rows[-1])):
                row = [tf.identity(value) for value in row]
        rows.append(function(tf.nest.pack_sequence_as(inputs, row)))
    return tf.nest.map_structure(lambda *values: tf.stack(values), *rows)


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
    # By sums alone: TensorFlow chooses on the GPU, and sizes are the host's.
    last = _BUCKETS[-1]
    steps = [high - low for low, high in zip(_BUCKETS, _BUCKETS[1:])]
    exceeds = tf.clip_by_value(count - tf.constant(_BUCKETS[:-1]), 0, 1)
    beyond = (tf.maximum(count - last, 0) + last - 1) // last * last
    return _BUCKETS[0] + tf.reduce_sum(exceeds * steps) + beyond


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))
