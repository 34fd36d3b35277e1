"""The contract of box heads, and the two layers that they all end in.

A box head is a Keras layer that says in `roi_specs` what it wants pooled. `call` takes
features of any leading shape and returns class logits and box deltas of each roi.
"""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.part import Part
from tfmask.layers.rois import RoISpec, restore_rois


class RoIBoxHead(Part):
    """Base of box heads: predictions from a feature vector of each roi.

    A subclass has the attributes `num_classes`, `pool_size`, `class_agnostic` and
    `background_row`, calls `add_predictors` in its constructor and `build_predictors`
    in `build`, and has a method `hidden`.
    """

    class_layers: tuple[str, ...] = ("class_logits", "deltas")
    output_dtype = "float32"

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        """What is pooled for each name in the inputs."""
        return {"box": RoISpec(self.pool_size)}

    @property
    def rows(self) -> int:
        """Boxes that are predicted for each roi."""
        return 1 if self.class_agnostic else self.num_classes + int(self.background_row)

    def hidden(self, x: tf.Tensor):
        """Roi features `[M, S, S, C]` -> feature vectors `[M, D]`.

        `[M, L, S, S, C]` where the head asks for every level. Rows beyond M are dropped
        later, so that convolutions can be given a stand-in for no rois.
        """
        raise NotImplementedError

    def dense(
        self, name: str, units, initializer, activation=None
    ) -> keras.layers.Dense:
        """A dense layer."""
        return keras.layers.Dense(
            units,
            activation,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    def add_predictors(self):
        """Makes the layers of class logits and deltas."""
        self.class_logits = self.dense(
            "class_logits", self.num_classes + 1, initializers.normal(0.01)
        )
        self.deltas = self.dense("deltas", 4 * self.rows, initializers.normal(0.001))
        if self.class_agnostic:
            self.class_layers = ("class_logits",)

    def build_predictors(self, width):
        """Builds them for feature vectors of this many numbers."""
        self.class_logits.build((None, width))
        self.deltas.build((None, width))

    def call(self, inputs):
        x, rank = inputs["box"], self.roi_specs["box"].rank
        shape = tf.shape(x)
        lead = shape[:-rank]
        x = self.hidden(tf.reshape(x, tf.concat([[-1], shape[-rank:]], 0)))
        logits = tf.cast(self.class_logits(x), tf.float32)
        deltas = tf.cast(self.deltas(x), tf.float32)
        deltas = tf.reshape(deltas, [-1, self.rows, 4])
        if self.background_row and not self.class_agnostic:
            deltas = deltas[:, 1:]
        return restore_rois(logits, lead), restore_rois(deltas, lead)

    def compute_output_shape(self, input_shape):
        lead = tuple(input_shape["box"])[: -self.roi_specs["box"].rank]
        boxes = 1 if self.class_agnostic else self.num_classes
        return (*lead, self.num_classes + 1), (*lead, boxes, 4)
