"""The whole image as context of each roi."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.chain import build_chain, run_chain
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part


@keras.saving.register_keras_serializable(package="tfmask")
class ContextualFusion(Part):
    """Adds a feature of the whole image to each roi feature (MaskPlus sec. 3.1).

    The image is pooled as one more roi, of the same size as the others, goes through
    3x3 convolutions once, and is added to the feature of each of its rois. The paper
    takes the image from "the last layer" of the pyramid and says nothing of
    activations: here a ReLU follows each convolution.

    Args:
      filters: of the 3x3 convolutions; the last is C, since its result is added. The
        paper's best are 720, 512, 512, 256.
      last_relu: false leaves the ReLU after the last convolution out, so that context
        can lower a feature too.

    Call input: [roi features `[B, N, S, S, C]`, image features `[B, S, S, C']`].
    Returns `[B, N, S, S, C]` in the layer's compute type. `context` gives what is
    added, for rois in another order.

    Raises:
      ValueError: the last number of filters is not C.
    """

    def __init__(self, filters: tuple[int, ...], *, last_relu: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.last_relu = last_relu
        last = len(self.filters)
        self.convs = [
            ConvNorm(
                width,
                activation="relu" if i < last or last_relu else None,
                kernel_initializer=initializers.msra(),
                dtype=self.dtype_policy,
                name=f"context_fcn{i}",
            )
            for i, width in enumerate(self.filters, 1)
        ]

    def build(self, input_shape):
        rois, image = (tuple(shape) for shape in input_shape)
        if self.filters[-1:] != (rois[-1],):
            raise ValueError(
                f"filters={self.filters}: expected {rois[-1]} for the last convolution"
                ", the channels of the roi features that its result is added to"
            )
        build_chain(self.convs, image[-1])
        self.built = True

    def call(self, inputs):
        rois, image = inputs
        return rois + tf.cast(self.context(image), rois.dtype)[:, None]

    def context(self, image):
        """`[B, S, S, C']` -> `[B, S, S, C]`: what is added to the rois of an image."""
        return run_chain(self.convs, image)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
