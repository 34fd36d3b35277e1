"""A small pyramid of deconvolutions and convolutions on a roi feature."""

import keras

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.mask_head import deconvolution
from tfmask.layers.part import Part, one_of
from tfmask.layers.rois import flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class DeconvolutionalPyramid(Part):
    """Twice up, twice down, features of one size added (MaskPlus sec. 3.2).

        x -> up1 [2S] -> up2 [4S]
        up2 -> down1 [2S] + up1 -> down2 [S] + x

    The paper gives strides and widths. Here deconvolutions are 2x2 as the mask head's,
    convolutions 3x3, and a ReLU follows each of the four before the sum.

    Args:
      channels: C, of the input and of all layers.
      kernel_size: of the deconvolutions: 2, or 4 so that they overlap.

    Call input: `[..., S, S, C]`. Returns the same shape in the layer's compute type.

    Raises:
      ValueError: another kernel size, or an input of other channels.
    """

    def __init__(self, channels: int = 256, kernel_size: int = 2, **kwargs):
        super().__init__(**kwargs)
        one_of("kernel_size", kernel_size, (2, 4))
        self.channels = channels
        self.kernel_size = kernel_size
        self.ups = [
            deconvolution(f"up{i}", channels, self.dtype_policy, kernel_size)
            for i in (1, 2)
        ]
        self.downs = [
            ConvNorm(
                channels,
                strides=2,
                activation="relu",
                kernel_initializer=initializers.msra(),
                dtype=self.dtype_policy,
                name=f"down{i}",
            )
            for i in (1, 2)
        ]

    def build(self, input_shape):
        width = tuple(input_shape)[-1]
        if width != self.channels:
            raise ValueError(
                f"feature of {width} channels: expected {self.channels}, the module's "
                "own, since it adds the feature to its result"
            )
        for layer in (*self.ups, *self.downs):
            layer.build((None, None, None, width))
        self.built = True

    def call(self, inputs):
        x, lead = flatten_rois(inputs)  # [M, S, S, C]
        double = self.ups[0](x)  # [M, 2S, 2S, C]
        quadruple = self.ups[1](double)  # [M, 4S, 4S, C]
        double = self.downs[0](quadruple) + double
        return restore_rois(self.downs[1](double) + x, lead)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
