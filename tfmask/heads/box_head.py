"""Classification and box regression head (Fast R-CNN on FPN)."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.chain import build_dense_chain, run_chain
from tfmask.layers.part import Part
from tfmask.layers.rois import RoISpec


@keras.saving.register_keras_serializable(package="tfmask")
class BoxHead(Part):
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

    class_layers = ("class_logits", "deltas")
    output_dtype = "float32"

    def __init__(
        self,
        num_classes,
        *,
        pool_size=7,
        fc_layers=2,
        fc_units=1024,
        class_agnostic=False,
        background_row=False,
        initializer="xavier",
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
        self.rows = 1 if class_agnostic else num_classes + int(background_row)
        self.fcs = [
            self._dense(f"fc{i}", fc_units, initializers.of_dense(initializer), "relu")
            for i in range(1, fc_layers + 1)
        ]
        self.class_logits = self._dense(
            "class_logits", num_classes + 1, initializers.normal(0.01)
        )
        self.deltas = self._dense("deltas", 4 * self.rows, initializers.normal(0.001))

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        return {"box": RoISpec(self.pool_size)}

    def build(self, input_shape):
        side_y, side_x, channels = tuple(input_shape["box"])[-3:]
        width = build_dense_chain(self.fcs, side_y * side_x * channels)
        self.class_logits.build((None, width))
        self.deltas.build((None, width))
        self.built = True

    def call(self, inputs):
        x = inputs["box"]
        lead = tf.shape(x)[:-3]
        x = tf.reshape(x, [-1, x.shape[-3:].num_elements()])  # [M, S*S*C]
        x = run_chain(self.fcs, x)
        logits = tf.cast(self.class_logits(x), tf.float32)
        deltas = tf.cast(self.deltas(x), tf.float32)
        deltas = tf.reshape(deltas, [-1, self.rows, 4])
        if self.background_row and not self.class_agnostic:
            deltas = deltas[:, 1:]
        logits = tf.reshape(logits, tf.concat([lead, [self.num_classes + 1]], 0))
        deltas = tf.reshape(deltas, tf.concat([lead, tf.shape(deltas)[1:]], 0))
        return logits, deltas

    def compute_output_shape(self, input_shape):
        lead = tuple(input_shape["box"])[:-3]
        boxes = 1 if self.class_agnostic else self.num_classes
        return (*lead, self.num_classes + 1), (*lead, boxes, 4)

    def _dense(self, name, units, initializer, activation=None):
        return keras.layers.Dense(
            units,
            activation,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name=name,
        )
