"""Images to the model's size, in the graph: what `data.transforms` does on arrays.

OpenCV resizes 8-bit images in whole numbers: weights of 11 bits, a rounding after each
axis. `tf.image.resize` computes in float32 and differs in one pixel of ten by 1 of 255,
which moves boxes by hundredths of a pixel. Written with the same whole numbers, in
stock operations, the result is equal bit by bit.
"""

import tensorflow as tf

_ONE = 2048  # weights are counted in parts of this


def resized_size(size: tf.Tensor, short_side: int, max_side: int) -> tf.Tensor:
    """(height, width) of an image after the rule of evaluation.

    Args:
      size: `[2]` int32, (height, width).
      short_side: pixels that the shorter side gets,
      max_side: unless the longer one would exceed this.

    Returns:
      `[2]` int32, each at least 1; equal to `data.transforms.resized_shape`.
    """
    sides = tf.cast(size, tf.float64)
    short, long = tf.reduce_min(sides), tf.reduce_max(sides)
    scale = tf.cast(short_side, tf.float64) / short
    limit = tf.cast(max_side, tf.float64)
    scale = tf.where(scale * long > limit, limit / long, scale)
    return tf.maximum(tf.cast(sides * scale + 0.5, tf.int32), 1)


def resize(images: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Bilinear, pixel centres at half integers, rounded as `cv2.resize` does.

    Args:
      images: `[B, H, W, 3]` uint8.
      size: `[2]` int32, (height, width).

    Returns:
      `[B, height, width, 3]` uint8.
    """
    shape = tf.shape(images)
    same = tf.reduce_all(tf.equal(shape[1:3], size))
    resized = tf.cond(same, lambda: images, lambda: _resize(images, shape, size))
    fixed = tf.get_static_value(size)
    sides = (None, None) if fixed is None else tuple(fixed)
    return tf.ensure_shape(resized, [images.shape[0], *sides, 3])


def pad(images: tf.Tensor, multiple: int) -> tf.Tensor:
    """Zeros bottom and right up to a multiple: `[B, H, W, 3]` -> `[B, H', W', 3]`."""
    sides = tf.shape(images)[1:3]
    # Not -sides % multiple: converters differ in remainders of negative numbers.
    border = (sides + multiple - 1) // multiple * multiple - sides
    padded = tf.pad(images, [[0, 0], [0, border[0]], [0, border[1]], [0, 0]])
    known = [None if s is None else s + -s % multiple for s in images.shape[1:3]]
    return tf.ensure_shape(padded, [images.shape[0], *known, 3])


def _resize(images, shape, size):
    left, right, left_share, right_share = _neighbours(size[1], shape[2], clamp=True)
    # One axis after the other, as OpenCV: across, then down.
    pixels = tf.cast(images, tf.int32)
    across = tf.gather(pixels, left, axis=2) * left_share[:, None]
    across += tf.gather(pixels, right, axis=2) * right_share[:, None]
    across = tf.bitwise.right_shift(across, 4)
    above, below, above_share, below_share = _neighbours(size[0], shape[1], clamp=False)

    def weighed(row, share):
        value = tf.gather(across, row, axis=1) * share[:, None, None]
        return tf.bitwise.right_shift(value, 16)

    total = weighed(above, above_share) + weighed(below, below_share) + 2
    return tf.cast(tf.bitwise.right_shift(total, 2), tf.uint8)


def _places(count, extent):
    """Where each of `count` cells lies among `extent` source cells, `[count]` float32.

    (i + 1/2) extent / count - 1/2, which OpenCV computes in float64 and rounds to
    float32. Runtimes that have no float64 compute in float32 what is written so. A long
    division of whole numbers gives the same float32: its digits, and whether something
    is left over, are all that decides the rounding.
    """
    count, extent = (tf.cast(v, tf.int64) for v in (count, extent))
    halves = 2 * count  # of cells; the place is counted from one cell before the first
    whole, rest = _divided((2 * tf.range(count) + 1) * extent + count, halves)
    high, rest = _divided(rest * 4096, halves)
    low, rest = _divided(rest * 4096, halves)
    digits = tf.bitwise.bitwise_or(high * 4096 + low, tf.cast(rest > 0, tf.int64))
    fraction = tf.cast(digits, tf.float32) / 2.0**24
    return tf.cast(whole - 1, tf.float32) + fraction


def _divided(value, by):
    """Quotient and rest; right too where `//` goes by float32 and is one off."""
    quotient = value // by
    rest = value - quotient * by
    quotient += tf.cast(rest >= by, tf.int64) - tf.cast(rest < 0, tf.int64)
    return quotient, value - quotient * by


def _neighbours(count, extent, clamp: bool):
    """The two source cells of each of `count` cells, and the weight of each.

    `clamp`: beyond the border the outermost cell counts whole. Without, its weight is
    split between the cell and itself, which rounds otherwise.
    """
    place = _places(count, extent)
    low = tf.floor(place)
    share, index = place - low, tf.cast(low, tf.int32)
    if clamp:
        inside = (index >= 0) & (index < extent - 1)
        share = tf.where(inside, share, 0.0)
    first, second = (
        tf.cast(tf.round(v * _ONE), tf.int32) for v in (1.0 - share, share)
    )
    last = extent - 1
    return (
        tf.clip_by_value(index, 0, last),
        tf.clip_by_value(index + 1, 0, last),
        first,
        second,
    )
