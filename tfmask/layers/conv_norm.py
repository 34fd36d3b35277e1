"""Convolution, normalisation and activation as one layer."""

import keras
import tensorflow as tf

from tfmask.layers.batch_norm import BatchNorm
from tfmask.layers.frozen_batch_norm import FrozenBatchNorm

GROUPS = 32  # of GroupNorm, as the paper and every code base have it


def make_norm(kind: str, epsilon: float, train_affine: bool):
    """The normalisation layer of a kind, or None.

    Args:
      kind: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn`.
      epsilon: added to the variance.
      train_affine: frozen_bn alone: scale and offset are trained.
    """
    if kind == "none":
        return None
    if kind == "frozen_bn":
        return FrozenBatchNorm(epsilon, train_affine=train_affine, name="norm")
    if kind == "gn":
        return keras.layers.GroupNormalization(GROUPS, epsilon=epsilon, name="norm")
    return BatchNorm(
        momentum=0.9, epsilon=epsilon, synchronized=kind == "sync_bn", name="norm"
    )


@keras.saving.register_keras_serializable(package="tfmask")
class ConvNorm(keras.layers.Layer):
    """2-D convolution with symmetric padding, then normalisation and ReLU.

    Padding is (k - 1) / 2 on each side, also with stride 2, as in the public detectors;
    Keras's "same" would put it on one side only. A frozen normalisation is multiplied
    into the kernel before the convolution: the same result with two passes over the
    feature map less.

    Args:
      filters: output channels.
      kernel_size: side of the kernel, odd.
      strides: 1 or 2.
      use_bias: a bias on the convolution; by default where there is no normalisation.
      norm: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn`.
      norm_epsilon: added to the variance.
      train_affine: frozen_bn: train scale and offset.
      activation: `relu` or None.
      kernel_initializer: any Keras initializer.

    Call input: `[B, H, W, C]` floating. Returns `[B, ceil(H/s), ceil(W/s), filters]` in
    the layer's compute type. With `bordered=True` the input has its border already, and
    none is added: (k - 1) / 2 cells on each side that do not count as cells.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        *,
        strides=1,
        use_bias=None,
        norm="none",
        norm_epsilon=1e-5,
        train_affine=False,
        activation=None,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        # Casts are explicit: the frozen scale is computed in float32.
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.use_bias = norm == "none" if use_bias is None else use_bias
        self.norm_kind = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        self.activation = activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.norm = make_norm(norm, norm_epsilon, train_affine)

    def build(self, input_shape):
        k = self.kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(k, k, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )
        if self.norm is not None:
            self.norm.build((None, None, None, self.filters))
        self.built = True

    def call(self, inputs, training=None, bordered=False):
        kernel, shift = tf.cast(self.kernel, tf.float32), None
        if self.bias is not None:
            shift = tf.cast(self.bias, tf.float32)
        folded = isinstance(self.norm, FrozenBatchNorm)
        if folded:
            scale, offset = self.norm.scale_and_offset()
            kernel = kernel * scale
            shift = offset if shift is None else shift * scale + offset
        x = self._convolve(tf.cast(inputs, self.compute_dtype), kernel, bordered)
        if shift is not None:
            x = tf.nn.bias_add(x, tf.cast(shift, x.dtype))
        if self.norm is not None and not folded:
            x = tf.cast(self.norm(x, training=training), x.dtype)
        return tf.nn.relu(x) if self.activation == "relu" else x

    def _convolve(self, x, kernel, bordered):
        strides, pad = self.strides, 0 if bordered else (self.kernel_size - 1) // 2
        padding = "VALID" if pad == 0 or strides > 1 else "SAME"
        if pad and strides > 1:
            # Padded apart: oneDNN has no filter gradient for explicit padding.
            x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        elif strides > 1 and self.kernel_size == 1:
            # The same cells, chosen first: with few channels the filter gradient of a
            # strided 1x1 convolution corrupts memory in the CPU builds of TensorFlow.
            x, strides = x[:, ::strides, ::strides], 1
        return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), strides, padding)

    def compute_output_shape(self, input_shape):
        sides = [s if s is None else -(-s // self.strides) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "norm": self.norm_kind,
            "norm_epsilon": self.norm_epsilon,
            "train_affine": self.train_affine,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
