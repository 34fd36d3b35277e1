"""Convolution, normalisation and activation as one layer."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.batch_norm import BatchNorm
from tfmask.layers.frozen_batch_norm import FrozenBatchNorm
from tfmask.layers.group_norm import GroupNorm
from tfmask.layers.part import Part, one_of
from tfmask.layers.precast import precast, read
from tfmask.ops import grouped_conv

NORMS = ("none", "frozen_bn", "bn", "sync_bn", "gn")
ACTIVATIONS = (None, "relu")


def make_norm(kind: str, epsilon: float, train_affine: bool, dtype):
    """The normalisation layer of a kind, or None.

    Args:
      kind: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn`.
      epsilon: added to the variance.
      train_affine: frozen_bn alone: scale and offset are trained.
      dtype: policy of the layer.

    Raises:
      ValueError: another kind.
    """
    one_of("norm", kind, NORMS)
    options = dict(epsilon=epsilon, dtype=dtype, name="norm")
    if kind == "none":
        return None
    if kind == "frozen_bn":
        return FrozenBatchNorm(train_affine=train_affine, **options)
    if kind == "gn":
        return GroupNorm(**options)
    return BatchNorm(momentum=0.9, synchronized=kind == "sync_bn", **options)


@keras.saving.register_keras_serializable(package="tfmask")
class ConvNorm(Part):
    """2-D convolution with symmetric padding, then normalisation and ReLU.

    Padding is (k - 1) / 2 on each side, also with stride 2, as in the public detectors;
    Keras's "same" would put it on one side only. A frozen normalisation is multiplied
    into the kernel before the convolution: the same result with two passes over the
    feature map less.

    Args:
      filters: output channels.
      kernel_size: side of the kernel, k, odd.
      strides: 1 or 2.
      groups: group g of the filters reads the g-th part of the channels alone.
      use_bias: a bias on the convolution; by default where there is no normalisation.
      norm: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn`.
      norm_epsilon: added to the variance.
      train_affine: frozen_bn: train scale and offset.
      activation: `relu` or None.
      kernel_initializer: any Keras initializer.
      bias_initializer: any Keras initializer, or `torch`: uniform within
        1 / sqrt(fan in), PyTorch's default.

    Call input: `[B, H, W, C]` floating. Returns `[B, ceil(H/s), ceil(W/s), filters]` in
    the layer's compute type. With `bordered=True` the input has its border already, and
    none is added: (k - 1) / 2 cells on each side that do not count as cells.

    Raises:
      ValueError: an unknown norm, activation or stride, an even kernel, or channels
        that the groups do not divide.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        groups: int = 1,
        use_bias: bool | None = None,
        norm: str = "none",
        norm_epsilon: float = 1e-5,
        train_affine: bool = False,
        activation: str | None = None,
        kernel_initializer="he_normal",
        bias_initializer="zeros",
        **kwargs,
    ):
        # Casts are explicit: the frozen scale is computed in float32.
        super().__init__(autocast=False, **kwargs)
        one_of("strides", strides, (1, 2))
        one_of("activation", activation, ACTIVATIONS)
        if kernel_size % 2 != 1:
            raise ValueError(
                f"kernel_size={kernel_size}: expected an odd side, which has as many "
                "cells on either side of its middle"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.groups = groups
        self.use_bias = norm == "none" if use_bias is None else use_bias
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.train_affine = train_affine
        self.activation = activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = bias_initializer
        if bias_initializer != initializers.TORCH:
            self.bias_initializer = keras.initializers.get(bias_initializer)
        self.norm_layer = make_norm(norm, norm_epsilon, train_affine, self.dtype_policy)

    def build(self, input_shape):
        k, depth = self.kernel_size, input_shape[-1] // self.groups
        if input_shape[-1] % self.groups or self.filters % self.groups:
            raise ValueError(
                f"groups={self.groups}: expected a divisor of the {input_shape[-1]} "
                f"channels and of the {self.filters} filters"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(k, k, depth, self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            initializer = self.bias_initializer
            if initializer == initializers.TORCH:
                initializer = initializers.torch_bias(k * k * depth)
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer=initializer
            )
        if self.norm_layer is not None:
            self.norm_layer.build((None, None, None, self.filters))
        self.built = True

    def call(self, inputs, training=None, bordered=False):
        (x,) = self.call_each([inputs], training=training, bordered=bordered)
        return x

    def call_each(self, inputs, training=None, bordered=False) -> list[tf.Tensor]:
        """What `call` gives of each input; the weights are read once for all."""
        kernel, shift = self._kernel_and_shift()
        return [self._one(x, kernel, shift, training, bordered) for x in inputs]

    def exact_weights(self) -> list[tf.Tensor]:
        """[what is convolved with], [.., what is added, of a layer with a bias].

        float32, before they are rounded to the type of the computation.
        """
        return self._folded()[0]

    def _folded(self, dtype=tf.float32):
        """(`exact_weights`, what a frozen normalisation adds, of a type, or None)"""
        kernel, offset = read(self.kernel), None
        bias = [] if self.bias is None else [read(self.bias)]
        if self.norm == "frozen_bn":
            exact = tf.float32 if bias else dtype
            scale, offset = self.norm_layer.scale_and_offset(exact)
            kernel, bias = kernel * scale, [b * scale + offset for b in bias]
        return [kernel, *bias], offset

    def _kernel_and_shift(self):
        """What is convolved with and added, in the layer's compute type, or None."""
        dtype = tf.as_dtype(self.compute_dtype)
        weights, offset = precast(self), None
        if weights is None:
            exact, offset = self._folded(dtype)
            weights = [tf.cast(weight, dtype) for weight in exact]
        elif self.norm == "frozen_bn":
            _, offset = self.norm_layer.scale_and_offset(dtype)
        kernel, *bias = weights
        return kernel, bias[0] if bias else offset

    def _one(self, inputs, kernel, shift, training, bordered):
        x = self._convolve(tf.cast(inputs, kernel.dtype), kernel, bordered)
        if shift is not None:
            x = tf.nn.bias_add(x, shift)
        if self.norm_layer is not None and self.norm != "frozen_bn":
            x = tf.cast(self.norm_layer(x, training=training), x.dtype)
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
        return grouped_conv.conv2d(x, kernel, strides, padding)

    def compute_output_shape(self, input_shape):
        sides = [s if s is None else -(-s // self.strides) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.filters)
