"""Mask branches of another resolution, which train the feature and then go."""

import keras
import tensorflow as tf

from tfmask.layers.chain import build_chain, run_chain
from tfmask.layers.mask_head import deconvolution, hidden_convolutions, mask_predictor
from tfmask.layers.part import Part
from tfmask.layers.rois import flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class QuasiMultitaskBranch(Part):
    """A second fully convolutional mask head, in training only (MaskPlus sec. 3.4).

    It sees the mask head's roi feature, has weights of its own, and predicts masks of
    half or twice the side of the mask head's: with 14 bins and 28 outputs that is a
    deconvolution less than the head has, or one more. Where a head pools so finely that
    the output is smaller than the feature, bins are averaged first: that is the feature
    which a coarser RoIAlign would have given.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      output_size: cells per side of its masks, T: S times a power of two, which may be
        below one.
      conv_layers: 3x3 convolutions.
      channels: of all hidden layers.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: `[..., S, S, C]`. Returns logits `[..., T, T, K]` float32, channel k for
    class k + 1.

    Raises:
      ValueError: T cannot be reached from S; an unknown initializer.
    """

    class_layers = ("predictor",)
    training_only = True
    output_dtype = "float32"

    def __init__(
        self,
        num_classes: int,
        pool_size: int = 14,
        output_size: int = 14,
        *,
        conv_layers: int = 4,
        channels: int = 256,
        predictor_initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        large, small = max(pool_size, output_size), min(pool_size, output_size)
        factor = large // max(small, 1)
        if factor * small != large or factor & (factor - 1):
            raise ValueError(
                f"output_size={output_size} with pool_size={pool_size}: expected one "
                "to be the other doubled any number of times"
            )
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.output_size = output_size
        self.conv_layers = conv_layers
        self.channels = channels
        self.predictor_initializer = predictor_initializer
        self.averaged = factor if output_size < pool_size else 1
        doublings = factor.bit_length() - 1 if output_size > pool_size else 0
        policy = self.dtype_policy
        names = [f"mask_fcn{i}" for i in range(1, conv_layers + 1)]
        self.convs = hidden_convolutions(names, channels, policy)
        self.deconvs = [
            deconvolution(f"deconv{i}", channels, policy)
            for i in range(1, doublings + 1)
        ]
        self.predictor = mask_predictor(
            "predictor", num_classes, predictor_initializer, policy
        )

    def build(self, input_shape):
        layers = [*self.convs, *self.deconvs, self.predictor]
        build_chain(layers, tuple(input_shape)[-1])
        self.built = True

    def call(self, inputs):
        x, lead = flatten_rois(inputs)  # [M, S, S, C]
        if self.averaged > 1:
            x = tf.nn.avg_pool2d(x, self.averaged, self.averaged, "VALID")
        logits = run_chain([*self.convs, *self.deconvs, self.predictor], x)
        return restore_rois(tf.cast(logits, tf.float32), lead)

    def compute_output_shape(self, input_shape):
        side = self.output_size
        return (*tuple(input_shape)[:-3], side, side, self.num_classes)
