"""Mask targets, and the choice of one class's channel."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.ops.gathers import take_rows


class InstanceTargets(NamedTuple):
    """The instance that each packed roi is matched to. M may be zero."""

    masks: tf.Tensor  # [M, R, R] uint8, coverage 0..255 in its own box
    boxes: tf.Tensor  # [M, 4] float32, pixels: that box
    rois: tf.Tensor  # [M, 4] float32, pixels: where targets are computed
    labels: tf.Tensor  # [M] integer, 1..K

    def at(self, size: int, soft: bool = False) -> tf.Tensor:
        """Targets `[M, size, size]` float32: 0 or 1, or coverage where `soft`."""
        coverage = mask_targets(self.masks, self.boxes, self.rois, size)
        return coverage if soft else tf.cast(coverage >= 0.5, tf.float32)


def mask_targets(
    masks: tf.Tensor, mask_boxes: tf.Tensor, rois: tf.Tensor, size: int
) -> tf.Tensor:
    """Box-frame instance masks, seen through other boxes.

    Each target cell is the mean of ceil(R / size) samples per axis, so that no cell of
    the source is skipped when the roi is as large as the instance.

    Args:
      masks: `[M, R, R]` uint8, coverage 0..255 of an instance in its own box.
      mask_boxes: `[M, 4]` float32, pixels: that box.
      rois: `[M, 4]` float32, pixels: where the target is computed.
      size: cells per side of the target, n.

    Returns:
      `[M, n, n]` float32, coverage 0..1. No gradient.
    """
    side = tf.shape(masks)[-1]
    samples = (side + size - 1) // size
    n = size * samples
    # The border cells are repeated: an instance reaches to the edge of its box, where
    # fading to zero would thin the small ones. What lies outside is taken away below.
    source = tf.cast(masks, tf.float32)
    source = tf.pad(source, [[0, 0], [1, 1], [1, 1]], "SYMMETRIC")[..., None]
    cells, n_float = tf.cast(side, tf.float32), tf.cast(n, tf.float32)
    extent = tf.maximum(mask_boxes[:, 2:] - mask_boxes[:, :2], 1e-6)
    low = (rois[:, :2] - mask_boxes[:, :2]) / extent * cells  # (x, y), in mask cells
    high = (rois[:, 2:] - mask_boxes[:, :2]) / extent * cells
    half_step = 0.5 * (high - low) / n_float
    # Cell i covers [i, i + 1), its centre is sample coordinate i; + 1 for the border.
    low, high = low + half_step + 0.5, high - half_step + 0.5
    corners = tf.concat([tf.reverse(low, [1]), tf.reverse(high, [1])], axis=1)
    corners = tf.clip_by_value(corners / (cells + 1.0), -1e4, 1e4)
    corners = tf.where(tf.math.is_finite(corners), corners, -1.0)
    crops = tf.image.crop_and_resize(
        source, corners, tf.range(tf.shape(masks)[0]), [n, n]
    )
    crops = crops[..., 0] * _samples_inside(mask_boxes, rois, n)
    crops = tf.reshape(crops, [-1, size, samples, size, samples])
    return tf.stop_gradient(tf.reduce_mean(crops, axis=[2, 4]) / 255.0)  # [M, n, n]


def _samples_inside(mask_boxes, rois, count):
    """1 for each of the samples of a roi that lie in the box, else 0: `[M, n, n]`."""
    steps = (tf.cast(tf.range(count), tf.float32) + 0.5) / tf.cast(count, tf.float32)

    def axis(low, high):
        start, end = rois[:, low, None], rois[:, high, None]
        place = start + (end - start) * steps  # [M, n]
        inside = (mask_boxes[:, low, None] <= place) & (
            place <= mask_boxes[:, high, None]
        )
        return tf.cast(inside, tf.float32)

    return axis(1, 3)[:, :, None] * axis(0, 2)[:, None, :]


def select_class(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The channel of each roi's class.

    Args:
      logits: `[M, S, S, K]`, channel k is class k + 1.
      labels: `[M]` integer, 1..K.

    Returns:
      `[M, S, S]`.
    """
    side, classes = tf.shape(logits)[1:3], logits.shape[3]
    cells = side[0] * side[1]
    if logits.shape[1:3].is_fully_defined():
        side = logits.shape[1:3]
        cells = side[0] * side[1]
    # Cell by cell: no transposition, and no gradient of zeros to transpose back. Not
    # tf.gather(batch_dims=1): its gradient in TensorFlow 2.15 has the wrong shape where
    # there are no rois.
    first = tf.cast(tf.range(tf.shape(logits)[0]) * (cells * classes), labels.dtype)
    first += tf.maximum(labels - 1, 0)
    steps = tf.cast(tf.range(cells) * classes, labels.dtype)
    index = tf.reshape(first[:, None] + steps, [-1])
    chosen = take_rows(tf.reshape(logits, [-1]), index)
    return tf.reshape(chosen, [-1, side[0], side[1]])
