"""Classification and box regression head (Fast R-CNN on FPN)."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.box_head import RoIBoxHead
from tfmask.layers.chain import build_dense_chain, run_chain


@keras.saving.register_keras_serializable(package="tfmask")
class BoxHead(RoIBoxHead):
    """Fully connected layers, then class logits and box deltas (FPN sec. 4.2).

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      fc_layers: hidden layers.
      fc_units: width of each.
      class_agnostic: one box for all classes (Cascade R-CNN).
      background_row: keep a row of deltas for the background, which nothing uses, as
        Tensorpack and maskrcnn-benchmark have it.
      initializer: of the hidden layers, a word of `layers.initializers.of_dense`.

    Call input: dict with `box`: `[..., S, S, C]`. Returns (class logits `[..., K + 1]`,
    channel 0 the background; deltas `[..., K, 4]`, or `[..., 1, 4]` if
    class-agnostic), float32.

    Raises:
      ValueError: an unknown initializer.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        pool_size: int = 7,
        fc_layers: int = 2,
        fc_units: int = 1024,
        class_agnostic: bool = False,
        background_row: bool = False,
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.fc_layers = fc_layers
        self.fc_units = fc_units
        self.class_agnostic = class_agnostic
        self.background_row = background_row
        self.initializer = initializer
        self.fcs = [
            self.dense(f"fc{i}", fc_units, initializers.of_dense(initializer), "relu")
            for i in range(1, fc_layers + 1)
        ]
        self.add_predictors()

    def build(self, input_shape):
        side_y, side_x, channels = tuple(input_shape["box"])[-3:]
        width = build_dense_chain(self.fcs, side_y * side_x * channels)
        self.build_predictors(width)
        self.built = True

    def hidden(self, x: tf.Tensor):
        x = tf.reshape(x, [-1, x.shape[1:].num_elements()])  # [M, S*S*C]
        return run_chain(self.fcs, x)
