"""RoIAlign of one feature map in stock TensorFlow, with or without masks.

`tf.image.crop_and_resize` is not RoIAlign: it samples a box at its corners and in even
steps between them. RoIAlign with s samples per bin and axis samples n = bins * s
places in the *middles* of n equal parts of the box. With the feature map's pixel i at
coordinate i, and the box [y0, y0 + h] in that frame, those places are

    y_k = y0 + (k + 1/2) h / n,   k = 0 .. n - 1,

an even grid from y0 + h/2n to y0 + h - h/2n. Asking crop_and_resize for n places on the
box with just these corners gives exactly RoIAlign's samples; the mean over each s x s
group is RoIAlign.

Outside the map, RoIAlign reads the border pixel up to one pixel away and zero beyond.
One row of repeated border on each side, and crop_and_resize's zero outside, is that.

crop_and_resize computes in float32. float64 features are gathered from the same padded
map.
"""

import contextlib

import tensorflow as tf

# More samples per bin and axis than any box inside an image needs.
MAX_SAMPLES = 1 << 12


_one_op: list[bool] = []  # not empty within `as_one_op`


@contextlib.contextmanager
def as_one_op():
    """What is traced inside has one CropAndResize for each RoIAlign.

    For converters to a runtime that has RoIAlign itself, which replace each by that:
    the operation's image is the feature map without a border, its boxes are
    `[x1, y1, x2, y2]` in cells, and its extrapolation value is the sampling ratio, plus
    one half where `aligned`. The method "nearest" tells it from what is truly a
    CropAndResize. TensorFlow cannot run the graph to any use.
    """
    _one_op.append(True)
    try:
        yield
    finally:
        _one_op.pop()


def for_converter() -> bool:
    """Whether what is traced is for a converter, inside `as_one_op`."""
    return bool(_one_op)


def pool_map(
    features: tf.Tensor,
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    masks: tf.Tensor | None,
    size: int,
    stride: float,
    sampling_ratio: int,
    aligned: bool,
) -> tf.Tensor:
    """Bins of boxes on one feature map; see `ops.shape_aware_roi_align`.

    Args:
      features: `[B, H, W, C]` float32 or float64.
      boxes: `[M, 4]` float32, pixels.
      batch_indices: `[M]` int32.
      masks: `[M, Hp, Wp]` of the features' type, or None.

    Returns:
      `[M, size, size, C]` of the features' type.
    """
    if _one_op:
        return _pool_as_one_op(
            features, boxes, batch_indices, masks, size, stride, sampling_ratio, aligned
        )
    padded = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    start, sides = feature_frame(boxes, stride, aligned)
    if sampling_ratio > 0:
        samples = (sampling_ratio, sampling_ratio)
        return _sample(padded, start, sides, batch_indices, masks, size, *samples)
    counts = tf.clip_by_value(tf.math.ceil(sides / size), 1.0, float(MAX_SAMPLES))
    counts = tf.cast(counts, tf.int32)  # [M, 2] (y, x)
    return _sample_adaptive(padded, start, sides, batch_indices, masks, size, counts)


def feature_frame(boxes, stride, aligned):
    """Corner and sides of boxes in cells, as (y, x) pairs `[M, 2]`.

    `stride`: pixels per cell, of all boxes or `[M, 1]`.
    """
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    finite = tf.reduce_all(tf.math.is_finite(boxes), axis=1, keepdims=True)
    # crop_and_resize's gradient crashes on NaN, and huge boxes overflow its indices.
    boxes = tf.clip_by_value(tf.where(finite, boxes, 0.0), -1e6, 1e6)
    scaled = boxes / stride - (0.5 if aligned else 0.0)
    start = tf.reverse(scaled[:, :2], axis=[1])
    sides = tf.reverse(scaled[:, 2:], axis=[1]) - start
    return start, tf.maximum(sides, 0.0 if aligned else 1.0)


def _sample(padded, start, sides, batch_indices, masks, size, samples_y, samples_x):
    """Mean of the samples of each bin; the sample counts are the same for all boxes."""
    grid = tf.stack([size * samples_y, size * samples_x])
    read = _gather_bilinear if padded.dtype == tf.float64 else _crop_and_resize
    samples = read(padded, start, sides, batch_indices, grid)
    if masks is not None:
        samples *= mask_samples(masks, grid)[..., tf.newaxis]
    channels = padded.shape[-1]
    if isinstance(samples_y, int):
        if samples_y == samples_x == 1:
            return samples
        window = [samples_y, samples_x]
        return tf.nn.avg_pool2d(samples, window, window, "VALID")
    samples = tf.reshape(samples, [-1, size, samples_y, size, samples_x, channels])
    return tf.reduce_mean(samples, axis=[2, 4])  # [M, S, S, C]


def _crop_and_resize(padded, start, sides, batch_indices, grid):
    """Features at the middles of the grid's parts of each box: `[M, ny, nx, C]`."""
    half_step = 0.5 * sides / tf.cast(grid, tf.float32)
    # + 1: the repeated border; crop_and_resize wants corners relative to (H-1, W-1).
    extent = tf.cast(tf.shape(padded)[1:3] - 1, tf.float32)
    corners = tf.concat(
        [start + half_step + 1.0, start + sides - half_step + 1.0], axis=1
    ) / tf.tile(extent, [2])
    return tf.image.crop_and_resize(padded, corners, batch_indices, grid)


def _gather_bilinear(padded, start, sides, batch_indices, grid):
    """The same for float64 features."""
    shape = tf.shape(padded, out_type=tf.int64)
    flat = tf.reshape(padded, [-1, padded.shape[-1]])  # [B*H*W, C]

    def axis(i):
        count, extent = grid[i], shape[1 + i]
        fraction = (tf.range(tf.cast(count, tf.float64)) + 0.5) / tf.cast(
            count, tf.float64
        )
        at = tf.cast(start[:, i, tf.newaxis], tf.float64) + 1.0
        at += tf.cast(sides[:, i, tf.newaxis], tf.float64) * fraction  # [M, n]
        inside = (at >= 0.0) & (at <= tf.cast(extent - 1, tf.float64))
        low, high, weight = neighbours(at, extent)
        inside = tf.cast(inside, tf.float64)
        return ((low, (1.0 - weight) * inside), (high, weight * inside))

    image = tf.cast(batch_indices, tf.int64)[:, tf.newaxis] * shape[1]
    total = 0.0
    for row, row_weight in axis(0):
        for column, column_weight in axis(1):
            index = (image + row)[:, :, tf.newaxis] * shape[2]
            index += column[:, tf.newaxis, :]  # [M, ny, nx]
            weight = row_weight[:, :, tf.newaxis] * column_weight[:, tf.newaxis, :]
            total += weight[..., tf.newaxis] * tf.gather(flat, index)
    return total


def mask_samples(masks, grid):
    """Masks at the grid's places in their boxes, `[M, ny, nx]`."""
    for i, axis in ((0, 1), (1, 2)):
        count = tf.cast(grid[i], masks.dtype)
        extent = tf.shape(masks, out_type=tf.int64)[axis]
        # The corrected Eq. 5: see ops.shape_aware_roi_align.
        at = (tf.range(count) + 0.5) / count * tf.cast(extent, masks.dtype) - 0.5
        low, high, weight = neighbours(at, extent)
        weight = weight[:, tf.newaxis] if axis == 1 else weight
        masks = (1.0 - weight) * tf.gather(masks, low, axis=axis) + (
            weight * tf.gather(masks, high, axis=axis)
        )
    return masks


def neighbours(at, extent):
    """The two cells around a place, clamped to the border, and the second's weight.

    Indices are of the extent's type.
    """
    at = tf.clip_by_value(at, 0.0, tf.cast(extent - 1, at.dtype))
    low = tf.floor(at)
    index = tf.cast(low, extent.dtype)
    return index, tf.minimum(index + 1, extent - 1), at - low


def _sample_adaptive(padded, start, sides, batch_indices, masks, size, counts):
    """Like `_sample`, each box with its own (y, x) counts: one pass per pair."""
    key = counts[:, 0] * (2 * MAX_SAMPLES) + counts[:, 1]
    pairs, group = tf.unique(key)
    number = tf.size(pairs)
    channels = padded.shape[-1]
    pooled = tf.TensorArray(
        padded.dtype,
        number,
        infer_shape=False,
        element_shape=[None, size, size, channels],
    )
    rows = tf.TensorArray(tf.int32, number, infer_shape=False, element_shape=[None])

    def one_pair(i, pooled, rows):
        chosen = tf.cast(tf.where(group == i)[:, 0], tf.int32)
        of_pair = _sample(
            padded,
            tf.gather(start, chosen),
            tf.gather(sides, chosen),
            tf.gather(batch_indices, chosen),
            None if masks is None else tf.gather(masks, chosen),
            size,
            pairs[i] // (2 * MAX_SAMPLES),
            pairs[i] % (2 * MAX_SAMPLES),
        )
        return i + 1, pooled.write(i, of_pair), rows.write(i, chosen)

    _, pooled, rows = tf.while_loop(
        lambda i, *_: i < number, one_pair, (0, pooled, rows), parallel_iterations=1
    )

    def nothing():
        # An empty TensorArray has nothing to join. Made of the inputs, so that they
        # have a gradient of zeros.
        empty = tf.reshape(padded[:0, :size, :size], [0, size, size, channels])
        return empty if masks is None else empty * tf.reshape(masks, [0, 1, 1, 1])

    joined = tf.cond(number > 0, pooled.concat, nothing)
    order = tf.cond(number > 0, rows.concat, lambda: tf.zeros([0], tf.int32))
    joined = tf.ensure_shape(joined, [None, size, size, channels])
    return tf.gather(joined, tf.argsort(order))


def _pool_as_one_op(
    features, boxes, batch_indices, masks, size, stride, sampling_ratio, aligned
):
    """See `as_one_op`."""
    if masks is not None and not sampling_ratio:
        raise ValueError(
            "sampling_ratio=0 with masks: expected a fixed number of samples, as "
            "RoIAlign of other runtimes does not give its samples one by one"
        )
    samples = sampling_ratio if masks is not None else 1
    grid = tf.constant([size * samples] * 2)
    ratio = 1 if masks is not None else sampling_ratio
    # One box more, taken away again: levels without boxes crash OpenVINO.
    pooled = tf.raw_ops.CropAndResize(
        image=features,
        boxes=tf.pad(boxes, [[0, 1], [0, 0]]) / stride,
        box_ind=tf.pad(batch_indices, [[0, 1]]),
        crop_size=grid,
        method="nearest",
        extrapolation_value=ratio + (0.5 if aligned else 0.0),
    )[:-1]
    if masks is None:
        return pooled
    pooled *= mask_samples(masks, grid)[..., tf.newaxis]
    # Not by avg_pool2d: of levels without boxes OpenVINO takes no pools.
    shape = [-1, size, samples, size, samples, features.shape[-1]]
    return tf.reduce_mean(tf.reshape(pooled, shape), [2, 4])
