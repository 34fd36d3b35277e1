"""Deformable convolution, normalisation and activation as one layer."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.ops.deform_conv import deform_conv2d


@keras.saving.register_keras_serializable(package="tfmask")
class DeformableConv(ConvNorm):
    """ConvNorm whose taps read places that a convolution of the input displaces.

    Dai et al. 2017, sec. 2.1; modulated: Zhu et al. 2019, sec. 3.2. The convolution
    that predicts the displacements has the kernel size and stride of this one, a bias,
    and begins at zero: at first the layer is a plain convolution (modulated: half of
    it).

    Args:
      filters, kernel_size: see ConvNorm.
      modulated: each tap is multiplied by a predicted number in 0..1.
      **kwargs: see ConvNorm.

    Call input: `[B, H, W, C]` floating. Returns `[B, ceil(H/s), ceil(W/s), filters]` in
    the layer's compute type. A border of the input cannot be given.
    """

    def __init__(
        self, filters: int, kernel_size: int = 3, *, modulated: bool = False, **kwargs
    ):
        super().__init__(filters, kernel_size, **kwargs)
        self.supports_jit = False  # XLA has nothing that reads at places
        self.modulated = modulated
        self.taps = kernel_size * kernel_size
        self.offset = ConvNorm(
            (3 if modulated else 2) * self.taps,
            kernel_size,
            strides=self.strides,
            kernel_initializer="zeros",
            dtype="float32",  # places: bfloat16 would round them to an eighth of a cell
            name="offset",
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.offset.build(tuple(input_shape))

    def _convolve(self, x, kernel, bordered):
        if bordered:
            raise ValueError("bordered=True: expected an input without a border")
        predicted = self.offset(x)
        offsets, modulation = predicted[..., : 2 * self.taps], None
        if self.modulated:
            modulation = tf.sigmoid(predicted[..., 2 * self.taps :])
        return deform_conv2d(x, offsets, kernel, self.strides, modulation)
