"""What the mask branch has found, handed on to the branch that refines it."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part, one_of
from tfmask.layers.rois import flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class MaskInformationFlow(Part):
    """Adds a 1x1 convolution of an earlier mask feature to a roi feature.

    The mask information flow of Hybrid Task Cascade (sec. 3.2), which MR R-CNN sec. 3.2
    takes over. The papers draw a 1x1 convolution; as HTC is released, a ReLU follows.

    Args:
      channels: C, of the roi feature.
      initializer: `msra`, or `zero`: the sum is the roi feature alone at first. A ReLU
        passes no gradient at zero, so this form has none.

    Call input: [roi feature `[..., S, S, C]`, earlier feature `[..., S, S, C']`].
    Returns `[..., S, S, C]` in the layer's compute type.

    Raises:
      ValueError: an unknown initializer.
    """

    def __init__(self, channels: int, *, initializer: str = "msra", **kwargs):
        super().__init__(**kwargs)
        one_of("initializer", initializer, ("msra", "zero"))
        self.channels = channels
        self.initializer = initializer
        zero = initializer == "zero"
        self.conv = ConvNorm(
            channels,
            1,
            activation=None if zero else "relu",
            kernel_initializer="zeros" if zero else initializers.msra(),
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, input_shape):
        self.conv.build((None, None, None, tuple(input_shape[1])[-1]))
        self.built = True

    def call(self, inputs):
        feature, earlier = inputs
        earlier, lead = flatten_rois(earlier)  # [M, S, S, C']
        added = restore_rois(self.conv(earlier), lead)
        return feature + tf.cast(added, feature.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
