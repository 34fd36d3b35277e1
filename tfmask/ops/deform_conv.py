"""Deformable convolution in stock TensorFlow (Dai et al. 2017; Zhu et al. 2019).

Tap t of the kernel at output cell (i, j) reads the feature map at

    (i s - p + t_y + dy,  j s - p + t_x + dx),      p = (k - 1) / 2,

bilinearly between cell centres, and zero a whole cell or more outside the map (Dai et
al. Eqs. 2 to 4). The modulated form multiplies what tap t reads by a number of its own
(Zhu et al. Eq. 1).

`tf.image.crop_and_resize` reads one place of a map when it is asked for one bin of a
box that begins and ends there. That is one pass over what is read, where four gathers
and their weighted sum are twelve; a border of zeros makes its clamping at the map's
edge the zeros wanted. It computes in float32.
"""

import numpy as np
import tensorflow as tf

# Of the map's side: four times what rounding may move a place in float32.
_STEP = 2.0**-21


def deform_conv2d(
    features: tf.Tensor,
    offsets: tf.Tensor,
    kernel: tf.Tensor,
    strides: int = 1,
    modulation: tf.Tensor | None = None,
) -> tf.Tensor:
    """Convolution whose taps read displaced places, padded as by `ConvNorm`.

    The gradient goes to all four tensors. What the taps read, k * k times the feature
    map, is read again for it rather than kept.

    Args:
      features: `[B, H, W, C]` floating, C known.
      offsets: `[B, ceil(H/s), ceil(W/s), 2 k k]` float32, in cells: (dy, dx) of each
        tap, taps row by row. A tap that is not a number reads zero.
      kernel: `[k, k, C / groups, F]` of the features' type, k odd.
      strides: s.
      modulation: `[B, ceil(H/s), ceil(W/s), k k]` floating, or None.

    Returns:
      `[B, ceil(H/s), ceil(W/s), F]` of the features' type.

    Raises:
      ValueError: offsets or modulation of another number of channels.
    """
    taps = kernel.shape[0] * kernel.shape[1]
    _check_channels("offsets", offsets, 2 * taps)
    places = _places(offsets, kernel.shape[0], strides)
    if modulation is None:
        result = _convolve(features, places, kernel)
    else:
        _check_channels("modulation", modulation, taps)
        result = _convolve(features, places, kernel, modulation)
    filters = kernel.shape[-1]
    lead = tf.shape(offsets)[:3]
    result = tf.reshape(result, tf.concat([lead, [filters]], 0))
    return tf.ensure_shape(result, [*offsets.shape[:3], filters])


def _check_channels(name, tensor, channels):
    if tensor.shape[-1] != channels:
        raise ValueError(f"{name} of {tensor.shape[-1]} channels: expected {channels}")


def _places(offsets, size, strides):
    """Where each tap reads, in cells: `[B, H', W', k k, 2]` (y, x) float32."""
    shape = tf.shape(offsets)
    offsets = tf.reshape(
        tf.cast(offsets, tf.float32), tf.concat([shape[:3], [size * size, 2]], 0)
    )
    pad = (size - 1) // 2
    rows, columns = (
        tf.cast(tf.range(shape[axis]) * strides - pad, tf.float32) for axis in (1, 2)
    )
    tap_y, tap_x = np.divmod(np.arange(size * size, dtype=np.float32), size)
    y = offsets[..., 0] + (rows[:, None, None] + tap_y)
    x = offsets[..., 1] + (columns[:, None] + tap_x)
    return tf.stack([y, x], axis=-1)


@tf.custom_gradient
def _convolve(features, places, kernel, *modulation):
    """`[B H' W', F]`; `modulation` is empty or one tensor."""

    def product(features, places, kernel, *modulation):
        return _product(_columns(features, places, *modulation), kernel)

    def gradient(upstream):
        # Tied to the upstream gradient: else TensorFlow would find the columns equal to
        # those of the forward pass, and keep them until now.
        with tf.control_dependencies([upstream]):
            sources = [tf.identity(t) for t in (features, places, kernel, *modulation)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            again = product(*sources)
        return tape.gradient(again, sources, upstream)

    return product(features, places, kernel, *modulation), gradient


def _columns(features, places, modulation=None):
    """What the taps read: `[B H' W', k k, C]` of the features' type."""
    taps, channels = places.shape[3], features.shape[-1]
    padded = tf.pad(tf.cast(features, tf.float32), [[0, 0], [1, 1], [1, 1], [0, 0]])
    shape = tf.shape(places)
    batch_indices = tf.repeat(tf.range(shape[0]), tf.reduce_prod(shape[1:4]))
    # Beyond the border of zeros there are only zeros; crop_and_resize's gradient
    # crashes on what is not a number.
    last = tf.cast(tf.shape(padded)[1:3] - 1, tf.float32)
    places = tf.where(tf.math.is_nan(places), -1.0, places) + 1.0
    places = tf.reshape(tf.clip_by_value(places, 0.0, last), [-1, 2])
    read = _read(padded, places, batch_indices)
    read = tf.reshape(tf.cast(read, features.dtype), [-1, taps, channels])
    if modulation is not None:
        read *= tf.cast(tf.reshape(modulation, [-1, taps, 1]), read.dtype)
    return read


@tf.custom_gradient
def _read(image, places, batch_indices):
    """`[B, H, W, C]` float32 at places `[N, 2]` (y, x) of the map: `[N, 1, 1, C]`."""
    last = tf.cast(tf.shape(image)[1:3] - 1, tf.float32)
    corners = places / last
    boxes = tf.concat([corners, corners], axis=1)

    def gradient(upstream):
        to_image = tf.raw_ops.CropAndResizeGradImage(
            grads=upstream,
            boxes=boxes,
            box_ind=batch_indices,
            image_size=tf.shape(image),
            T=tf.float32,
        )
        # In the middle of a cell crop_and_resize says that the slope is zero, and that
        # is where every displacement begins. The slope of the interval after it is
        # found a little further on.
        to_boxes = tf.raw_ops.CropAndResizeGradBoxes(
            grads=upstream,
            image=image,
            boxes=boxes + _STEP,
            box_ind=batch_indices,
        )
        to_places = (to_boxes[:, :2] + to_boxes[:, 2:]) / last
        return to_image, to_places, None

    read = tf.image.crop_and_resize(image, boxes, batch_indices, [1, 1])
    return read, gradient


def _product(columns, kernel):
    """Columns `[N, k k, C]` times a kernel: `[N, F]`."""
    taps, channels = columns.shape[1:]
    depth, filters = kernel.shape[2:]
    groups = channels // depth
    if groups == 1:
        columns = tf.reshape(columns, [-1, taps * channels])
        return tf.matmul(columns, tf.reshape(kernel, [-1, filters]))
    columns = tf.reshape(columns, [-1, taps, groups, depth])
    columns = tf.transpose(columns, [2, 0, 1, 3])
    columns = tf.reshape(columns, [groups, -1, taps * depth])
    kernel = tf.reshape(kernel, [taps * depth, groups, filters // groups])
    product = tf.matmul(columns, tf.transpose(kernel, [1, 0, 2]))  # [groups, N, F / g]
    return tf.reshape(tf.transpose(product, [1, 0, 2]), [-1, filters])
