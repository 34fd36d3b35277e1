"""Deformable convolution (Dai et al. 2017; Zhu et al. 2019).

What the taps read, `ops.deform_columns`, times the kernel.
"""

import tensorflow as tf

from tfmask.ops import _library
from tfmask.ops.deform_columns import deform_columns


def deform_conv2d(
    features: tf.Tensor,
    offsets: tf.Tensor,
    kernel: tf.Tensor,
    strides: int = 1,
    modulation: tf.Tensor | None = None,
    implementation: str = "auto",
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
      implementation: of the reading: "auto", "stock" or "compiled"; see
        `deform_columns`.

    Returns:
      `[B, ceil(H/s), ceil(W/s), F]` of the features' type.

    Raises:
      ValueError: offsets or modulation of another number of channels; another
        `implementation`.
      tf.errors.InvalidArgumentError: other shapes that do not fit.
    """
    size = kernel.shape[0]
    _check_channels("offsets", offsets, 2 * size * size)
    if modulation is not None:
        _check_channels("modulation", modulation, size * size)
    # Once for both: the gradient may be traced where another choice would be made.
    compiled = _library.use_compiled(_library.DEFORM_COLUMNS, implementation)
    chosen = "compiled" if compiled else "stock"

    def product(features, offsets, kernel, modulation=None):
        columns = deform_columns(features, offsets, modulation, size, strides, chosen)
        return _product(columns, kernel)

    inputs = [tf.convert_to_tensor(t) for t in (features, offsets, kernel)]
    if modulation is not None:
        inputs.append(tf.convert_to_tensor(modulation))
    result = _computed_again(product)(*inputs)
    filters = kernel.shape[-1]
    lead = tf.shape(offsets)[:3]
    result = tf.reshape(result, tf.concat([lead, [filters]], 0))
    return tf.ensure_shape(result, [*offsets.shape[:3], filters])


def _check_channels(name, tensor, channels):
    if tensor.shape[-1] != channels:
        raise ValueError(f"{name} of {tensor.shape[-1]} channels: expected {channels}")


def _computed_again(function):
    """`function`, whose gradient computes it again and keeps its inputs alone."""

    @tf.custom_gradient
    def computed(*inputs):
        def gradient(upstream):
            # Tied to the upstream gradient: else TensorFlow would find the columns
            # equal to those of the forward pass, and keep them until now.
            with tf.control_dependencies([upstream]):
                sources = [tf.identity(tensor) for tensor in inputs]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                again = function(*sources)
            return tape.gradient(again, sources, upstream)

        return function(*inputs), gradient

    return computed


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
