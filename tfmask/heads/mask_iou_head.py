"""The MaskIoU head of Mask Scoring R-CNN."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.chain import build_chain, build_dense_chain, run_chain
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.layers.rois import flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class MaskIoUHead(Part):
    """Predicts the IoU of a mask with its instance (Mask Scoring R-CNN sec. 3.2).

    The roi feature and the mask, pooled to the same size by its maxima, go through
    four 3x3 convolutions, the last with stride 2, and three dense layers.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      channels: of the convolutions.
      fc_units: of the two hidden dense layers.
      background_row: keep an output for the background, which nothing uses, as
        maskrcnn-benchmark has it.

    Call input: [roi feature `[..., S, S, C]` before the mask head's convolutions,
    probabilities `[..., T, T]` of the mask of each roi's class], T a multiple of S.
    Returns `[..., K]` float32, the IoU predicted for a mask of each class; not bounded.

    Raises:
      ValueError: T is no multiple of S.
    """

    class_layers = ("maskiou",)
    output_dtype = "float32"

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 14,
        *,
        channels: int = 256,
        fc_units: int = 1024,
        background_row: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.channels = channels
        self.fc_units = fc_units
        self.background_row = background_row
        self.convs = [
            ConvNorm(
                channels,
                strides=2 if i == 4 else 1,
                activation="relu",
                kernel_initializer=initializers.msra(),
                dtype=self.dtype_policy,
                name=f"maskiou_fcn{i}",
            )
            for i in range(1, 5)
        ]
        self.fcs = [
            keras.layers.Dense(
                fc_units,
                "relu",
                kernel_initializer=initializers.xavier(),
                dtype=self.dtype_policy,
                name=f"maskiou_fc{i}",
            )
            for i in range(1, 3)
        ]
        self.predictor = keras.layers.Dense(
            num_classes + int(background_row),
            kernel_initializer=initializers.normal(0.01),
            dtype=self.dtype_policy,
            name="maskiou",
        )

    def build(self, input_shape):
        feature, mask = (tuple(shape) for shape in input_shape)
        if mask[-1] % self.pool_size:
            raise ValueError(
                f"masks of {mask[-1]} cells per side: expected a multiple of "
                f"{self.pool_size}, the size of the roi feature"
            )
        channels = build_chain(self.convs, feature[-1] + 1)
        half = (self.pool_size + 1) // 2
        build_dense_chain([*self.fcs, self.predictor], channels * half * half)
        self.built = True

    def call(self, inputs):
        feature, mask = inputs
        x, lead = flatten_rois(feature)  # [M, S, S, C]
        mask, _ = flatten_rois(tf.cast(mask, x.dtype)[..., None])  # [M, T, T, 1]
        factor = mask.shape[1] // self.pool_size
        if factor > 1:
            mask = tf.nn.max_pool2d(mask, factor, factor, "VALID")
        x = run_chain(self.convs, tf.concat([x, mask], axis=-1))
        x = tf.reshape(x, [-1, x.shape[1:].num_elements()])
        ious = tf.cast(run_chain([*self.fcs, self.predictor], x), tf.float32)
        return restore_rois(ious[:, 1:] if self.background_row else ious, lead)

    def compute_output_shape(self, input_shape):
        return (*tuple(input_shape[0])[:-3], self.num_classes)
