"""RoIAlign from stock TensorFlow ops (Mask R-CNN sec. 3).

`tf.image.crop_and_resize` is not RoIAlign: it samples a box at its corners and in even
steps between them. RoIAlign with s samples a bin and axis samples n = bins * s places
in the *middles* of n equal parts of the box. With the feature map's pixel i at
coordinate i, and the box [y0, y0 + h] in that frame, those places are

    y_k = y0 + (k + 1/2) h / n,   k = 0 .. n - 1,

an even grid from y0 + h/2n to y0 + h - h/2n. Asking crop_and_resize for n places on the
box with just these corners gives exactly RoIAlign's samples; the mean over each s x s
group is RoIAlign.

Outside the map, RoIAlign reads the border pixel up to one pixel away and zero beyond.
One row of repeated border on each side, and crop_and_resize's zero outside, is that.
"""

import tensorflow as tf


def assign_levels(
    boxes: tf.Tensor, first: int, last: int, canonical_size: float = 224.0
) -> tf.Tensor:
    """Pyramid level of each box (FPN Eq. 1): a box of `canonical_size` is on level 4.

    Args:
      boxes: `[N, 4]` float32, pixels.
      first, last: the pyramid's levels, e.g. 2 and 5.

    Returns:
      `[N]` int32, 0 for level `first`.
    """
    sides = tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    root = tf.sqrt(sides[:, 0] * sides[:, 1])
    # 1e-8 keeps the logarithm of an empty box finite.
    level = tf.floor(4.0 + tf.math.log(root / canonical_size + 1e-8) / tf.math.log(2.0))
    return tf.cast(tf.clip_by_value(level, first, last), tf.int32) - first


def roi_align(
    features: tf.Tensor,
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    size: int,
    stride: float,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> tf.Tensor:
    """RoIAlign on one feature map.

    Args:
      features: `[B, H, W, C]`, floating.
      boxes: `[M, 4]` float32, pixels of the image. No gradient. A box that is not
        finite is read as an empty box at the origin.
      batch_indices: `[M]` int32, the image of each box.
      size: bins a side, S.
      stride: pixels a cell of the feature map.
      sampling_ratio: samples a bin and axis; 0: ceil(side of the box in cells / S),
        for each box and axis.
      aligned: true: box coordinates are shifted by half a cell (Detectron2); false:
        they are not, and a box is at least one cell wide (maskrcnn-benchmark,
        torchvision).

    Returns:
      `[M, S, S, C]` float32.
    """
    # crop_and_resize knows no bfloat16, and returns float32 whatever it is given.
    features = tf.cast(features, tf.float32)
    padded = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    start, sides = _feature_frame(boxes, stride, aligned)
    if sampling_ratio > 0:
        return _sample(
            padded, start, sides, batch_indices, size, sampling_ratio, sampling_ratio
        )
    counts = tf.cast(tf.math.ceil(sides / size), tf.int32)  # [M, 2] (y, x)
    counts = tf.clip_by_value(counts, 1, 1 << 12)
    return _sample_adaptive(padded, start, sides, batch_indices, size, counts)


def multilevel_roi_align(
    features: list[tf.Tensor],
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    size: int,
    strides: list[float],
    first_level: int = 2,
    sampling_ratio: int = 0,
    aligned: bool = True,
    canonical_size: float = 224.0,
) -> tf.Tensor:
    """RoIAlign of each box on the pyramid level that fits its size.

    Args:
      features: one `[B, H, W, C]` a level, fine to coarse.
      boxes: `[M, 4]` float32, pixels.
      batch_indices: `[M]` int32.
      size, sampling_ratio, aligned: see `roi_align`.
      strides: pixels a cell of each level.
      first_level: number of the finest level, 2 for P2.
      canonical_size: see `assign_levels`.

    Returns:
      `[M, size, size, C]` float32, in the order of `boxes`.
    """
    boxes = tf.stop_gradient(boxes)
    last_level = first_level + len(features) - 1
    levels = assign_levels(boxes, first_level, last_level, canonical_size)
    rows, pooled = [], []
    for level, (feature, stride) in enumerate(zip(features, strides)):
        chosen = tf.cast(tf.where(levels == level)[:, 0], tf.int32)
        rows.append(chosen)
        pooled.append(
            roi_align(
                feature,
                tf.gather(boxes, chosen),
                tf.gather(batch_indices, chosen),
                size,
                stride,
                sampling_ratio,
                aligned,
            )
        )
    return tf.dynamic_stitch(rows, pooled)  # [M, S, S, C]


def _feature_frame(boxes, stride, aligned):
    """Corner and sides of boxes in cells, as (y, x) pairs `[M, 2]`."""
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    finite = tf.reduce_all(tf.math.is_finite(boxes), axis=1, keepdims=True)
    # crop_and_resize's gradient crashes on NaN, and huge boxes overflow its indices.
    boxes = tf.clip_by_value(tf.where(finite, boxes, 0.0), -1e6, 1e6)
    scaled = boxes / stride - (0.5 if aligned else 0.0)
    start = tf.reverse(scaled[:, :2], axis=[1])
    sides = tf.reverse(scaled[:, 2:], axis=[1]) - start
    return start, tf.maximum(sides, 0.0 if aligned else 1.0)


def _sample(padded, start, sides, batch_indices, size, samples_y, samples_x):
    """Mean of the samples of each bin; the sample counts are the same for all boxes."""
    grid = tf.stack([size * samples_y, size * samples_x])
    half_step = 0.5 * sides / tf.cast(grid, tf.float32)
    # + 1: the repeated border; crop_and_resize wants corners relative to (H-1, W-1).
    extent = tf.cast(tf.shape(padded)[1:3] - 1, tf.float32)
    corners = tf.concat(
        [start + half_step + 1.0, start + sides - half_step + 1.0], axis=1
    ) / tf.tile(extent, [2])
    crops = tf.image.crop_and_resize(padded, corners, batch_indices, grid)
    channels = padded.shape[-1]
    if samples_y is samples_x and isinstance(samples_y, int):
        if samples_y == 1:
            return crops
        return tf.nn.avg_pool2d(crops, samples_y, samples_y, "VALID")
    crops = tf.reshape(crops, [-1, size, samples_y, size, samples_x, channels])
    return tf.reduce_mean(crops, axis=[2, 4])  # [M, S, S, C]


def _sample_adaptive(padded, start, sides, batch_indices, size, counts):
    """Like `_sample`, each box with its own (y, x) counts: one pass a distinct pair."""
    key = counts[:, 0] * (1 << 13) + counts[:, 1]
    pairs, group = tf.unique(key)
    number = tf.size(pairs)
    channels = padded.shape[-1]
    pooled = tf.TensorArray(
        tf.float32,
        number,
        infer_shape=False,
        element_shape=[None, size, size, channels],
    )
    rows = tf.TensorArray(tf.int32, number, infer_shape=False, element_shape=[None])

    def one_pair(i, pooled, rows):
        chosen = tf.cast(tf.where(group == i)[:, 0], tf.int32)
        part = _sample(
            padded,
            tf.gather(start, chosen),
            tf.gather(sides, chosen),
            tf.gather(batch_indices, chosen),
            size,
            pairs[i] // (1 << 13),
            pairs[i] % (1 << 13),
        )
        return i + 1, pooled.write(i, part), rows.write(i, chosen)

    _, pooled, rows = tf.while_loop(
        lambda i, *_: i < number, one_pair, (0, pooled, rows), parallel_iterations=1
    )
    # An empty TensorArray has nothing to join: no boxes, no rows.
    empty = tf.zeros([0, size, size, channels])
    joined = tf.cond(number > 0, pooled.concat, lambda: empty)
    order = tf.cond(number > 0, rows.concat, lambda: tf.zeros([0], tf.int32))
    joined = tf.ensure_shape(joined, [None, size, size, channels])
    return tf.gather(joined, tf.argsort(order))
