"""Box arithmetic: areas, overlaps, delta coding, clipping.

All boxes are `[x1, y1, x2, y2]` float32 in continuous pixels (see structures.py).
A and G stand for any two counts of boxes.
"""

import tensorflow as tf


def area(boxes: tf.Tensor) -> tf.Tensor:
    """Area of boxes `[..., 4]`; zero for boxes of negative extent. Returns `[...]`."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def _intersection(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    # One axis at a time: half the memory of an [A, G, 2] intermediate.
    ax1, ay1, ax2, ay2 = tf.unstack(a[..., :, None, :], axis=-1)  # [..., A, 1]
    bx1, by1, bx2, by2 = tf.unstack(b[..., None, :, :], axis=-1)  # [..., 1, G]
    width = tf.maximum(tf.minimum(ax2, bx2) - tf.maximum(ax1, bx1), 0.0)
    height = tf.maximum(tf.minimum(ay2, by2) - tf.maximum(ay1, by1), 0.0)
    return width * height  # [..., A, G]


def pairwise_iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Intersection over union of `[..., A, 4]` and `[..., G, 4]`: `[..., A, G]`, 0..1.

    A pair without any area has overlap 0.
    """
    inner = _intersection(a, b)
    union = area(a)[..., :, None] + area(b)[..., None, :] - inner
    return tf.math.divide_no_nan(inner, union)


def ioa(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Share of each box `[..., 4]` that lies inside another one, which broadcasts.

    Returns `[...]`.
    """
    low = tf.maximum(a[..., :2], b[..., :2])
    sides = tf.maximum(tf.minimum(a[..., 2:], b[..., 2:]) - low, 0.0)
    return tf.math.divide_no_nan(sides[..., 0] * sides[..., 1], area(a))


def _centre_and_size(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size


def encode(boxes: tf.Tensor, anchors: tf.Tensor, weights) -> tf.Tensor:
    """Deltas that turn anchors into boxes (Faster R-CNN Eq. 2, times `weights`).

    Args:
      boxes, anchors: `[..., 4]` float32, pixels.
      weights: (wx, wy, ww, wh).

    Returns:
      `[..., 4]` float32 (dx, dy, dw, dh). Sides are bounded below by 1e-6 pixels so
      that degenerate boxes give finite deltas.
    """
    centre, size = _centre_and_size(boxes)
    anchor_centre, anchor_size = _centre_and_size(anchors)
    size, anchor_size = tf.maximum(size, 1e-6), tf.maximum(anchor_size, 1e-6)
    shift = (centre - anchor_centre) / anchor_size
    scale = tf.math.log(size / anchor_size)
    return tf.concat([shift, scale], axis=-1) * tf.constant(weights, tf.float32)


def decode(
    deltas: tf.Tensor, anchors: tf.Tensor, weights, max_log_scale: float
) -> tf.Tensor:
    """The inverse of `encode`.

    Args:
      deltas: `[..., 4]` float32.
      anchors: `[..., 4]` float32, broadcast against deltas.
      weights: (wx, wy, ww, wh).
      max_log_scale: upper bound on dw and dh, so that exp cannot overflow.

    Returns:
      Boxes `[..., 4]` float32, pixels, not clipped.
    """
    deltas = deltas / tf.constant(weights, tf.float32)
    anchor_centre, anchor_size = _centre_and_size(anchors)
    centre = deltas[..., :2] * anchor_size + anchor_centre
    half = 0.5 * tf.exp(tf.minimum(deltas[..., 2:], max_log_scale)) * anchor_size
    return tf.concat([centre - half, centre + half], axis=-1)


def clip(boxes: tf.Tensor, image_size: tf.Tensor, inclusive: bool = False) -> tf.Tensor:
    """Clips boxes to an image.

    Args:
      boxes: `[N, 4]` or `[N, K, 4]`, pixels.
      image_size: `[2]` (height, width), or for boxes of several images what broadcasts
        against them, `[N, 2]` or `[N, 1, 2]`.
      inclusive: maskrcnn-benchmark's rule: its inclusive corners stop at W - 1, so a
        clipped box keeps one pixel at least.

    Returns:
      Boxes of the same shape. Boxes that are not finite become empty at the origin, so
      that NMS and RoIAlign see numbers only.
    """
    finite = tf.reduce_all(tf.math.is_finite(boxes), axis=-1, keepdims=True)
    boxes = tf.where(finite, boxes, 0.0)
    size = tf.cast(image_size, tf.float32)
    corner = tf.reverse(size, axis=[-1])  # (width, height), the order of x and y
    margin = 1.0 if inclusive else 0.0
    low = tf.clip_by_value(boxes[..., :2], 0.0, corner - margin)
    high = tf.clip_by_value(boxes[..., 2:], margin, corner)
    return tf.concat([low, high], axis=-1)


def has_sides(boxes: tf.Tensor, minimum: float) -> tf.Tensor:
    """True where both sides exceed `minimum` pixels, and 0. Returns `[...]` bool."""
    sides = boxes[..., 2:] - boxes[..., :2]
    large = sides >= minimum if minimum > 0 else sides > 0
    return tf.reduce_all(large, axis=-1)
