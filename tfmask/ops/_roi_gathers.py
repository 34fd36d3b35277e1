"""RoIAlign in gathers alone, for runtimes that have no crop_and_resize.

All levels of the pyramid are one table of cells, so that every box is read in one go
and no shape depends on how many boxes a level has. The samples of a bin are added up
one after the other, so that few arrays of the result's size are held at once, not one
for each sample.
"""

import contextlib

import tensorflow as tf

from tfmask.ops._roi_sampling import (
    feature_frame,
    for_converter,
    mask_samples,
    neighbours,
)

_gathers: list[bool] = []  # not empty within `as_gathers`


@contextlib.contextmanager
def as_gathers():
    """What is traced inside pools by `pool_levels`, and see `packing.index_type`."""
    _gathers.append(True)
    try:
        yield
    finally:
        _gathers.pop()


def in_use() -> bool:
    """Whether this is within `as_gathers`."""
    return bool(_gathers)


def converting() -> bool:
    """Whether what is traced is for a converter: within this or `as_one_op`."""
    return in_use() or for_converter()


def pool_levels(
    features: list[tf.Tensor],
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    levels: tf.Tensor,
    masks: tf.Tensor | None,
    size: int,
    strides,
    sampling_ratio: int,
    aligned: bool,
) -> tf.Tensor:
    """Bins of boxes on the levels of a pyramid; see `ops.shape_aware_roi_align`.

    Args:
      features: one `[B, H, W, C]` per level, float32.
      boxes: `[M, 4]` float32, pixels.
      batch_indices, levels: `[M]` int32.
      masks: `[M, Hp, Wp]` float32, or None.
      sampling_ratio: above 0.

    Returns:
      `[M, size, size, C]` float32.

    Raises:
      ValueError: sampling_ratio=0.
    """
    if not sampling_ratio:
        raise ValueError(
            "sampling_ratio=0 within `as_gathers`: expected a fixed number of samples"
        )
    table = tf.concat([tf.reshape(f, [-1, f.shape[-1]]) for f in features], 0)
    extents = tf.stack([tf.shape(f)[1:3] for f in features])  # [L, 2]
    cells = tf.stack([tf.reduce_prod(tf.shape(f)[:3]) for f in features])
    extent = tf.gather(extents, levels)  # [M, 2]
    height, width = extent[:, :1], extent[:, 1:]
    first = tf.gather(tf.cumsum(cells, exclusive=True), levels)
    first = first[:, tf.newaxis] + batch_indices[:, tf.newaxis] * height * width
    stride = tf.gather(tf.constant(strides, tf.float32), levels)[:, tf.newaxis]
    start, sides = feature_frame(boxes, stride, aligned)
    count = size * sampling_ratio
    if masks is not None:
        masks = mask_samples(masks, tf.constant([count, count]))

    def axis(i, sample):
        """For each bin, the two cells around its sample and their weights: `[M, S]`."""
        bins = tf.range(size, dtype=tf.float32) * sampling_ratio
        at = start[:, i : i + 1] + sides[:, i : i + 1] * ((bins + sample + 0.5) / count)
        limit = extent[:, i : i + 1]
        # Up to one cell outside the border counts, and nothing beyond.
        inside = (at >= -1.0) & (at <= tf.cast(limit, tf.float32))
        inside = tf.cast(inside, tf.float32)
        low, high, weight = neighbours(at, limit)
        return (low, (1.0 - weight) * inside), (high, weight * inside)

    total = 0.0
    for y in range(sampling_ratio):
        for x in range(sampling_ratio):
            samples = 0.0
            for row, row_weight in axis(0, y):
                for column, column_weight in axis(1, x):
                    index = (first + row * width)[:, :, tf.newaxis]
                    index += column[:, tf.newaxis, :]  # [M, S, S]
                    weight = row_weight[:, :, tf.newaxis] * column_weight[:, tf.newaxis]
                    samples += weight[..., tf.newaxis] * tf.gather(table, index)
            if masks is not None:
                mask = masks[:, y::sampling_ratio, x::sampling_ratio]
                samples *= mask[..., tf.newaxis]
            total += samples
    return total / float(sampling_ratio**2)
