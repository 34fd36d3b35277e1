"""What the taps of a deformable convolution read (Dai et al. 2017; Zhu et al. 2019).

Tap t of the kernel at output cell (i, j) reads the feature map at

    (i s - p + t_y + dy,  j s - p + t_x + dx),      p = (k - 1) / 2,

bilinearly between cell centres, and zero a whole cell or more outside the map (Dai et
al. Eqs. 2 to 4). The modulated form multiplies what tap t reads by a number of its own
(Zhu et al. Eq. 1). On the line of cells itself, where every displacement begins, the
slope is that of the interval after it.

Stock TensorFlow: `tf.image.crop_and_resize` reads one place of a map when it is asked
for one bin of a box that begins and ends there. That is one pass over what is read,
where four gathers and their weighted sum are twelve; a border of zeros makes its
clamping at the map's edge the zeros wanted. It computes in float32.
"""

import numpy as np
import tensorflow as tf

from tfmask.ops import _library

# Of the map's side: four times what rounding may move a place in float32.
_STEP = 2.0**-21


def deform_columns(
    features: tf.Tensor,
    offsets: tf.Tensor,
    modulation: tf.Tensor | None,
    size: int,
    strides: int = 1,
    implementation: str = "auto",
) -> tf.Tensor:
    """The places that the taps read, side by side for a matrix product.

    The gradient goes to all three tensors. That of the compiled op has the same bits in
    every run, with any number of threads.

    Args:
      features: `[B, H, W, C]` floating, C known.
      offsets: `[B, ceil(H/s), ceil(W/s), 2 k k]` float32, in cells: (dy, dx) of each
        tap, taps row by row. A tap that is not a number reads zero.
      modulation: `[B, ceil(H/s), ceil(W/s), k k]` floating, or None.
      size: k, odd.
      strides: s.
      implementation: "auto": the compiled op where it can be used; "stock": TensorFlow
        ops only; "compiled".

    Returns:
      `[B ceil(H/s) ceil(W/s), k k, C]` of the features' type. Stock ops compute it in
      float32, the compiled op float64 features in float64.

    Raises:
      ValueError: `implementation` is not one of those above.
      tf.errors.InvalidArgumentError: shapes do not fit.
    """
    offsets = tf.cast(offsets, tf.float32)
    if _library.use_compiled(_library.DEFORM_COLUMNS, implementation):
        return _compiled_columns(features, offsets, modulation, size, strides)
    places = _places(offsets, size, strides)
    return _stock_columns(features, places, modulation)


def _compiled_columns(features, offsets, modulation, size, strides):
    computed_in = tf.float64 if features.dtype == tf.float64 else tf.float32
    modulated = modulation is not None
    if not modulated:
        modulation = tf.zeros([0, 0, 0, 0])
    return _library.library(_library.DEFORM_COLUMNS).tfmask_deform_columns(
        features=features,
        offsets=offsets,
        modulation=tf.cast(modulation, computed_in),
        size=size,
        stride=strides,
        modulated=modulated,
    )


@tf.RegisterGradient("Tfmask>DeformColumns")
def _gradient(op, grad):
    features, offsets, modulation = op.inputs
    names = ("size", "stride", "modulated")
    result = _library.library(_library.DEFORM_COLUMNS).tfmask_deform_columns_grad(
        grad=grad,
        features=features,
        offsets=offsets,
        modulation=modulation,
        **{name: op.get_attr(name) for name in names},
    )
    to_modulation = result.grad_modulation if op.get_attr("modulated") else None
    return result.grad_features, result.grad_offsets, to_modulation


def _places(offsets, size, strides):
    """Where each tap reads, in cells: `[B, H', W', k k, 2]` (y, x) float32."""
    shape = tf.shape(offsets)
    offsets = tf.reshape(offsets, tf.concat([shape[:3], [size * size, 2]], 0))
    pad = (size - 1) // 2
    rows, columns = (
        tf.cast(tf.range(shape[axis]) * strides - pad, tf.float32) for axis in (1, 2)
    )
    tap_y, tap_x = np.divmod(np.arange(size * size, dtype=np.float32), size)
    y = offsets[..., 0] + (rows[:, None, None] + tap_y)
    x = offsets[..., 1] + (columns[:, None] + tap_x)
    return tf.stack([y, x], axis=-1)


def _stock_columns(features, places, modulation):
    """The specification."""
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
