"""Packing the valid rois of a batch, so that heads do no work on padding."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.ops import _roi_gathers


class Packed(NamedTuple):
    """Where each packed roi came from. M is the number of valid rois of the batch."""

    index: tf.Tensor  # [M, 2] int64 (image, position); see `pack`
    shape: tf.Tensor  # [2] (B, N), of the same type

    @property
    def batch_indices(self) -> tf.Tensor:
        """`[M]`: the image that each roi is of."""
        return self.index[:, 0]

    def take(self, values: tf.Tensor) -> tf.Tensor:
        """`[B, N, ...]` -> `[M, ...]`."""
        return rows_at(values, self.batch_indices, self.index[:, 1])

    def restore(self, values: tf.Tensor) -> tf.Tensor:
        """`[M, ...]` -> `[B, N, ...]`, zero where there is no roi."""
        inner = tf.shape(values, out_type=self.shape.dtype)[1:]
        shape = tf.concat([self.shape, inner], axis=0)
        return tf.scatter_nd(self.index, values, shape)


def rows_at(values: tf.Tensor, batch_indices: tf.Tensor, position: tf.Tensor):
    """Rows `[M, ...]` of `[B, N, ...]` by image `[M]` and position in it `[M]`.

    Not tf.gather_nd, whose gradient and bookkeeping are longer. Bytes, of a width that
    is known and a multiple of four, are taken as words, which a GPU can gather.
    """
    shape, inner = tf.shape(values), values.shape[2:]
    if inner.is_fully_defined():
        rows = tf.reshape(values, [-1, *inner])
    else:
        rows = tf.reshape(values, tf.concat([shape[:1] * shape[1:2], shape[2:]], 0))
        rows = tf.ensure_shape(rows, [None, *inner])
    index = batch_indices * tf.cast(shape[1], batch_indices.dtype) + position
    if values.dtype != tf.uint8 or not inner.is_fully_defined() or inner[-1] % 4:
        return tf.gather(rows, index)
    words = tf.reshape(rows, [-1, *inner[:-1], inner[-1] // 4, 4])
    taken = tf.gather(tf.bitcast(words, tf.int32), index)
    return tf.reshape(tf.bitcast(taken, tf.uint8), [-1, *inner])


def pack(valid: tf.Tensor) -> Packed:
    """The valid entries of `[B, N]` bool, image by image.

    Their indices are int64, which a GPU computes with itself, and int32 within
    `ops._roi_gathers.as_gathers`, for runtimes that have no others.
    """
    dtype = tf.int32 if _roi_gathers.in_use() else tf.int64
    return Packed(tf.cast(tf.where(valid), dtype), tf.shape(valid, out_type=dtype))


def map_images(function, inputs: tuple, signature):
    """Calls a function for each image of a batch.

    Where their number is known there is no loop, which TensorFlow turns by the host;
    the runtimes of `ops._roi_gathers.as_gathers` do not run loops at all.

    Args:
      function: of a tuple, each part the image's own.
      inputs: tensors `[B, ...]`, or lists of them.
      signature: types of what the function returns, in the same structure.

    Returns:
      What the function returns, `[B, ...]` each.
    """
    known = [value.shape[0] for value in tf.nest.flatten(inputs)]
    count = next((size for size in known if size is not None), None)
    if count is None:
        return tf.map_fn(function, inputs, fn_output_signature=signature)
    if count == 1:
        outputs = function(tf.nest.map_structure(lambda value: value[0], inputs))
        return tf.nest.map_structure(lambda value: value[tf.newaxis], outputs)
    parts = [tf.unstack(value, count) for value in tf.nest.flatten(inputs)]
    rows = [function(tf.nest.pack_sequence_as(inputs, row)) for row in zip(*parts)]
    return tf.nest.map_structure(lambda *values: tf.stack(values), *rows)


def each_image(function, inputs, types):
    """Calls a function for the images of a batch, one after another.

    Unlike `tf.map_fn`, whose loop asks the GPU whether it goes on.

    Args:
      function: of an image's own part of each input, called with them as arguments.
      inputs: tensors `[B, ...]` that the host has.
      types: of the tensors that it returns.

    Returns:
      What the function returns, `[B, ...]` each. No gradient.
    """
    count = tf.shape(inputs[0])[0]
    arrays = [tf.TensorArray(dtype, count, infer_shape=False) for dtype in types]

    def body(index, *arrays):
        with tf.device("CPU:0"):
            own = [value[index] for value in inputs]
        outputs = function(*own)
        return index + 1, *(a.write(index, v) for a, v in zip(arrays, outputs))

    _, *arrays = tf.while_loop(
        lambda index, *_: index < count, body, (0, *arrays), parallel_iterations=1
    )
    return tuple(array.stack() for array in arrays)


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
