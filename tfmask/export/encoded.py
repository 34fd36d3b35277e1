"""Encoded images in the graph: header, size limit, decoding, orientation.

TensorFlow's decoders ignore EXIF, and decode before anyone can ask for the size. So the
header is read here first, by stock operations on the bytes: `data.images.headers` says
the same of a file. All positions are int64 offsets into the file.
"""

from typing import NamedTuple

import tensorflow as tf

_EXIF_TAG = 274
_MAX_ENTRIES = 512
_SLACK = 64  # zeros after the end, so that a cut header reads as zeros


class Header(NamedTuple):
    """What the file says of itself, before any rotation; zero where it does not say."""

    height: tf.Tensor  # scalar int64
    width: tf.Tensor  # scalar int64
    orientation: tf.Tensor  # scalar int64, EXIF, 1..8


def decode_image(contents: tf.Tensor, exif: bool, max_pixels: int) -> tf.Tensor:
    """An encoded image as upright 8-bit RGB.

    As `data.images.read.read_image` for JPEG and PNG: gray three times, alpha dropped,
    palettes resolved, 16 bits a sample cut to 8, JPEG by libjpeg's accurate transform.
    CMYK JPEG goes by TensorFlow's formula, which is not OpenCV's.

    Args:
      contents: scalar string, a JPEG or PNG file.
      exif: turn the image by its orientation tag.
      max_pixels: a header that claims more is refused before anything is decoded.

    Returns:
      `[H, W, 3]` uint8.

    Raises (when run):
      InvalidArgumentError: neither JPEG nor PNG, too large, or damaged.
    """
    header = read_header(contents)
    pixels = header.height * header.width
    checks = [
        tf.debugging.Assert(
            pixels > 0,
            ["the image cannot be read: expected the bytes of a JPEG or PNG file"],
        ),
        tf.debugging.Assert(
            pixels <= max_pixels,
            [
                "the image has too many pixels; height and width:",
                header.height,
                header.width,
                "expected a product of at most",
                max_pixels,
            ],
        ),
    ]
    with tf.control_dependencies(checks):
        contents = tf.identity(contents)
    # The JPEG decoder reads PNG too. cv2 decodes by the accurate transform.
    image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return turn(image, header.orientation) if exif else image


def turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Brings `[H, W, 3]` upright from its EXIF orientation."""

    def where(values, function, image):
        among = tf.reduce_any(tf.equal(orientation, tf.constant(values, tf.int64)))
        turned = tf.cond(among, lambda: function(image), lambda: image)
        return tf.ensure_shape(turned, [None, None, 3])

    image = where([5, 6, 7, 8], lambda x: tf.transpose(x, [1, 0, 2]), image)
    image = where([2, 3, 6, 7], lambda x: tf.reverse(x, [1]), image)
    return where([3, 4, 7, 8], lambda x: tf.reverse(x, [0]), image)


def read_header(contents: tf.Tensor) -> Header:
    """Size and orientation of a JPEG or PNG file; zeros for anything else."""
    size = tf.cast(tf.strings.length(contents), tf.int64)
    data = tf.concat(
        [tf.io.decode_raw(contents, tf.uint8), tf.zeros([_SLACK], tf.uint8)], 0
    )
    read = _Bytes(data, size)
    is_jpeg = tf.strings.substr(contents, 0, 2) == b"\xff\xd8"
    is_png = tf.strings.substr(contents, 0, 8) == b"\x89PNG\r\n\x1a\n"
    zero, one = tf.constant(0, tf.int64), tf.constant(1, tf.int64)
    return Header(
        *tf.cond(
            is_jpeg,
            lambda: _jpeg(read),
            lambda: tf.cond(is_png, lambda: _png(read), lambda: (zero, zero, one)),
        )
    )


class _Bytes:
    """Whole numbers in a file. Beyond its end there are zeros."""

    def __init__(self, data, size):
        self.data = data
        self.size = size

    def at(self, position, count: int, little=False):
        """`count` bytes from `position`, which may have any shape, as int64."""
        places = position[..., None] + tf.range(count, dtype=tf.int64)
        outside = (places < 0) | (places >= self.size)
        values = tf.gather(self.data, tf.where(outside, self.size, places))
        values = tf.cast(values, tf.int64)
        powers = tf.constant([256**i for i in range(count)], tf.int64)
        ordered = tf.where(little, powers, tf.reverse(powers, [0]))
        return tf.reduce_sum(values * ordered, -1)


def _jpeg(read: _Bytes):
    def step(position, height, width, orientation, done):
        mark, kind = read.at(position, 1), read.at(position + 1, 1)
        length = read.at(position + 2, 2)
        fill, alone = kind == 0xFF, (kind == 0x01) | ((kind >= 0xD0) & (kind <= 0xD8))
        segment = ~fill & ~alone
        tables = (kind == 0xC4) | (kind == 0xC8) | (kind == 0xCC)
        frame = segment & (kind >= 0xC0) & (kind <= 0xCF) & ~tables
        bad = (
            (mark != 0xFF) | (kind == 0xD9) | (kind == 0xDA) | (segment & (length < 2))
        )
        first = (kind == 0xE1) & (orientation == 1) & ~bad
        orientation = tf.cond(
            first, lambda: _exif(read, position + 4, length - 2), lambda: orientation
        )
        frame &= ~bad
        height = tf.where(frame, read.at(position + 5, 2), height)
        width = tf.where(frame, read.at(position + 7, 2), width)
        # Fill bytes are one byte, marks without a segment two.
        position += 1 + _number(~fill) + _number(segment) * length
        done = bad | frame | (position >= read.size)
        return position, height, width, orientation, done

    start = [tf.constant(v, tf.int64) for v in (2, 0, 0, 1)]
    state = tf.while_loop(lambda *state: ~state[-1], step, [*start, tf.constant(False)])
    return state[1], state[2], state[3]


def _png(read: _Bytes):
    def step(position, orientation, done):
        length, kind = read.at(position, 4), read.at(position + 4, 4)
        exif = kind == int.from_bytes(b"eXIf", "big")
        orientation = tf.cond(
            exif, lambda: _exif(read, position + 8, length), lambda: orientation
        )
        done = kind == int.from_bytes(b"IDAT", "big")
        done |= (kind == int.from_bytes(b"IEND", "big")) | (orientation != 1)
        position += 12 + length  # length, kind, checksum
        return position, orientation, done | (position >= read.size)

    start = [tf.constant(v, tf.int64) for v in (8, 1)]
    state = tf.while_loop(lambda *state: ~state[-1], step, [*start, tf.constant(False)])
    is_header = read.at(tf.constant(12, tf.int64), 4) == int.from_bytes(b"IHDR", "big")
    width, height = (read.at(tf.constant(p, tf.int64), 4) for p in (16, 20))
    zero = tf.zeros_like(width)
    return tf.where(is_header, height, zero), tf.where(is_header, width, zero), state[1]


def _exif(read: _Bytes, start, length):
    """Orientation 1..8 of an EXIF block at `start`; 1 when it has none."""
    prefix = (read.at(start, 4) == int.from_bytes(b"Exif", "big")) & (
        read.at(start + 4, 2) == 0
    )
    base, end = start + 6 * _number(prefix), start + length
    order = read.at(base, 2)
    little, big = order == 0x4949, order == 0x4D4D
    table = base + read.at(base + 4, 4, little)
    entries = tf.minimum(read.at(table, 2, little), _MAX_ENTRIES)
    places = table + 2 + 12 * tf.range(entries)
    kinds, counts = read.at(places + 2, 2, little), read.at(places + 4, 4, little)
    widths = _number(kinds == 1) + 2 * _number(kinds == 3) + 4 * _number(kinds == 4)
    # Values of more than four bytes stand elsewhere.
    elsewhere = base + read.at(places + 8, 4, little)
    values_at = tf.where(counts * widths > 4, elsewhere, places + 8)
    values = tf.where(
        widths == 1,
        read.at(values_at, 1),
        tf.where(
            widths == 2, read.at(values_at, 2, little), read.at(values_at, 4, little)
        ),
    )
    usable = (read.at(places, 2, little) == _EXIF_TAG) & (widths > 0) & (counts > 0)
    usable &= (values >= 1) & (values <= 8) & (little | big)
    usable &= (places + 12 <= end) & (values_at + widths <= end)
    chosen = tf.boolean_mask(values, usable)
    return tf.concat([tf.ones([1], tf.int64), chosen], 0)[-1]  # the last one counts


def _number(flag):
    """0 or 1, int64."""
    return tf.cast(flag, tf.int64)
