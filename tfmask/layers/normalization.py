"""Pixels to the backbone's input."""

import keras
import tensorflow as tf

from tfmask.layers.part import Part, one_of


@keras.saving.register_keras_serializable(package="tfmask")
class Normalization(Part):
    """Subtracts the mean, divides by the deviation; padding is zero after it.

    Args:
      mean: of each channel of the image, in its own units (0..255 for 8 bits).
      std: likewise, not zero.
      channel_order: `rgb`, or `bgr`: the last axis is reversed for the backbone.

    Call input: [images `[B, H, W, C]` of any numeric type, zero-padded bottom and
    right; image_sizes `[B, 2]` int32, (height, width) before padding]. Returns
    `[B, H, W, C]` float32, in the channel order of the weights.

    Raises:
      ValueError: an unknown order, a deviation of zero, or lengths that differ; called
        with images of other channels.
    """

    names_weights = False

    def __init__(
        self,
        mean: tuple[float, ...] = (123.675, 116.28, 103.53),
        std: tuple[float, ...] = (58.395, 57.12, 57.375),
        *,
        channel_order: str = "rgb",
        **kwargs,
    ):
        # Pixels stay what they are; the result is float32 under any policy.
        super().__init__(autocast=False, **kwargs)
        one_of("channel_order", channel_order, ("rgb", "bgr"))
        if len(mean) != len(std) or not all(std):
            raise ValueError(
                f"mean={mean}, std={std}: expected as many deviations as means, none "
                "of them zero"
            )
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.channel_order = channel_order

    @property
    def channels(self) -> int:
        """C, channels of the images."""
        return len(self.mean)

    def build(self, input_shape):
        self.built = True

    def call(self, inputs):
        images, image_sizes = inputs
        if images.shape[-1] not in (None, self.channels):
            raise ValueError(
                f"images of {images.shape[-1]} channels: expected {self.channels}, one "
                "for each mean"
            )
        x = tf.cast(images, tf.float32) - tf.constant(self.mean, tf.float32)
        x = x / tf.constant(self.std, tf.float32)
        if self.channel_order == "bgr":
            x = tf.reverse(x, axis=[-1])
        rows = tf.sequence_mask(image_sizes[:, 0], tf.shape(images)[1])
        columns = tf.sequence_mask(image_sizes[:, 1], tf.shape(images)[2])
        inside = rows[:, :, None] & columns[:, None, :]
        return x * tf.cast(inside, tf.float32)[..., None]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
