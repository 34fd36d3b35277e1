"""Region proposal network head (Faster R-CNN sec. 3.1)."""

import keras
import numpy as np
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.ops.gathers import take_rows


@keras.saving.register_keras_serializable(package="tfmask")
class RPNHead(Part):
    """A 3x3 convolution, then objectness and box deltas, shared by all levels.

    Args:
      num_anchors: anchors per cell, A.
      channels: of the 3x3 convolution.
      initializer: of all layers: `normal` N(0, 0.01), or another word of
        `layers.initializers.of_convolution`.

    Call input: list of `[B, H, W, C]`, one for each level. Returns (logits, deltas):
    `[B, H*W*A]` and `[B, H*W*A, 4]` float32 for each level, as two lists.

    Raises:
      ValueError: an unknown initializer.
    """

    output_dtype = "float32"

    def __init__(
        self,
        num_anchors: int = 3,
        channels: int = 256,
        *,
        initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_anchors = num_anchors
        self.channels = channels
        self.initializer = initializer
        self.conv = self._conv("conv", channels, 3, "relu")
        self.objectness = self._conv("objectness", num_anchors, 1)
        self.deltas = self._conv("deltas", 4 * num_anchors, 1)

    def build(self, input_shape):
        self.conv.build(tuple(input_shape[0]))
        hidden = (None, None, None, self.channels)
        self.objectness.build(hidden)
        self.deltas.build(hidden)
        self.built = True

    def call(self, inputs):
        logits, deltas = [], []
        hidden = self.conv.call_each(inputs)
        levels = zip(self.objectness.call_each(hidden), self.deltas.call_each(hidden))
        batch = tf.shape(inputs[0])[0]
        for level_logits, level_deltas in levels:
            level_logits = tf.cast(level_logits, tf.float32)
            level_deltas = tf.cast(level_deltas, tf.float32)
            count = level_logits.shape[1:].num_elements() or -1
            logits.append(tf.reshape(level_logits, [batch, count]))  # [B, H*W*A]
            deltas.append(tf.reshape(level_deltas, [batch, count, 4]))  # [B, H*W*A, 4]
        return logits, deltas

    def at(
        self, inputs: list[tf.Tensor], index: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What `call` says of chosen anchors, computed from their cells alone.

        The loss of an RPN reads a few hundred anchors. Through `call` its gradient runs
        over every cell of every level, nearly all of it zero; here only over the cells
        that were chosen.

        Args:
          inputs: as of `call`: list of `[B, H, W, C]`.
          index: `[B, S]` integer into the anchors of all levels, one level after
            another.

        Returns:
          (logits `[B, S]`, deltas `[B, S, 4]`) float32.
        """
        index = tf.cast(index, tf.int64)
        lead, side = tf.shape(index), self.conv.kernel_size
        patches = neighbourhoods(inputs, index // self.num_anchors, side // 2)
        x = tf.reshape(patches, [-1, side, side, inputs[0].shape[-1]])
        x = self.conv(x, bordered=True)  # [B*S, 1, 1, channels]
        logits = tf.cast(self.objectness(x), tf.float32)
        deltas = tf.cast(self.deltas(x), tf.float32)
        anchor = tf.reshape(index, [-1]) % self.num_anchors
        first = tf.range(tf.size(index)) * self.num_anchors
        anchor += tf.cast(first, tf.int64)
        logits = take_rows(tf.reshape(logits, [-1]), anchor)
        deltas = take_rows(tf.reshape(deltas, [-1, 4]), anchor)
        return tf.reshape(logits, lead), tf.reshape(deltas, tf.concat([lead, [4]], 0))

    def compute_output_shape(self, input_shape):
        counts = [
            None if None in s[1:3] else s[1] * s[2] * self.num_anchors
            for s in input_shape
        ]
        batch = input_shape[0][0]
        return [(batch, n) for n in counts], [(batch, n, 4) for n in counts]

    def _conv(self, name, filters, kernel_size, activation=None):
        return ConvNorm(
            filters,
            kernel_size,
            activation=activation,
            **initializers.of_convolution(self.initializer),
            dtype=self.dtype_policy,
            name=name,
        )


def neighbourhoods(levels, index, reach):
    """Chosen cells of a pyramid with the cells around them.

    Args:
      levels: list of `[B, H, W, C]`.
      index: `[B, S]` int64 into the cells of all levels, row by row, one level after
        another.
      reach: cells on each side, R.

    Returns:
      `[B, S, 2R + 1, 2R + 1, C]`, zero outside of the level.
    """
    shapes = [tf.shape(level) for level in levels]
    sides = tf.stack([shape[1:3] for shape in shapes])  # [L, 2]
    cells = sides[:, 0] * sides[:, 1]
    rows = tf.unstack(cells * shapes[0][0], len(levels))  # cells of the whole batch
    # One table for all levels, a cell that each of them has or, with `inside` false,
    # has not: a cell of another level is read somewhere, and counts nothing.
    before = np.tri(len(levels), k=-1, dtype=np.int32)
    start = tf.reduce_sum(before * cells, axis=1)  # cells of the finer levels
    height, width, count, start = (
        tf.reshape(tf.cast(value, tf.int64), [-1, 1, 1, 1, 1])
        for value in (*tf.unstack(sides, axis=1), cells, start)
    )
    steps = tf.constant(np.arange(-reach, reach + 1), tf.int64)
    local = index[:, :, None, None] - start  # [L, B, S, 1, 1]
    row = local // width
    column = local - row * width + steps  # [L, B, S, 1, 2R + 1]
    row += steps[:, None]  # [L, B, S, 2R + 1, 1]
    inside = (local >= 0) & (local < count)
    inside &= (row >= 0) & (row < height) & (column >= 0) & (column < width)
    image = tf.cast(tf.range(tf.shape(index)[0]), tf.int64)[:, None, None, None]
    place = tf.where(inside, row * width + column, tf.constant(0, tf.int64))
    place += image * count
    inside = inside[..., None]

    # Written out: the gradients of TensorFlow's own gather and choice find out by a
    # dozen operations for each level what is known here.
    @tf.custom_gradient
    def read(*levels):
        patches = []
        for number, level in enumerate(levels):
            flat = tf.reshape(level, [-1, level.shape[-1]])
            found = tf.gather(flat, place[number])
            patches.append(tf.where(inside[number], found, tf.zeros([], found.dtype)))

        def gradient(upstream):
            zero = tf.zeros([], upstream.dtype)
            results = []
            for number, shape in enumerate(shapes):
                added = tf.math.unsorted_segment_sum(
                    tf.where(inside[number], upstream, zero),
                    place[number],
                    rows[number],
                )
                results.append(tf.reshape(added, shape))
            return results

        return tf.add_n(patches), gradient

    return read(*levels)
