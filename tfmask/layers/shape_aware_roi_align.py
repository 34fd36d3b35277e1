"""Shape-aware RoIAlign as a Keras layer."""

import keras

from tfmask.layers.roi_pooling import MultilevelRoIAlign


@keras.saving.register_keras_serializable(package="tfmask")
class ShapeAwareRoIAlign(MultilevelRoIAlign):
    """RoIAlign of every box on its pyramid levels, weighted by the box's mask.

    MR R-CNN sec. 3.1; the mapping between box and mask is derived in
    `ops.shape_aware_roi_align`. The gradient goes to the features and to the masks.

    Args: those of `MultilevelRoIAlign`.

    Call input: `[features, boxes, masks]`: a dict of `[B, H, W, C]` by level name,
    `boxes: [B, N, 4] float32, pixels`, and `masks: [B, N, Hp, Wp]` probabilities, each
    in the frame of its box. Returns what MultilevelRoIAlign returns.
    """

    def call(self, inputs):
        features, boxes, masks = inputs
        return self._pool_padded(features, boxes, masks)

    def compute_output_shape(self, input_shape):
        features, boxes, _ = input_shape
        return super().compute_output_shape([features, boxes])
