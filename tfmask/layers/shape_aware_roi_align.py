"""Shape-aware RoIAlign as a Keras layer."""

import keras
import tensorflow as tf

from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.ops.roi_align import assign_levels
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align


@keras.saving.register_keras_serializable(package="tfmask")
class ShapeAwareRoIAlign(MultilevelRoIAlign):
    """RoIAlign of every box on its pyramid level, weighted by the box's mask.

    MR R-CNN sec. 3.1; the mapping between box and mask is derived in
    `ops.shape_aware_roi_align`. The gradient goes to the features and to the masks.

    Args: those of `MultilevelRoIAlign`.

    Call input: `[features, boxes, masks]`: a dict of `[B, H, W, C]` by level name,
    `boxes: [B, N, 4] float32, pixels`, and `masks: [B, N, Hp, Wp]` probabilities, each
    in the frame of its box. Returns `[B, N, S, S, C]` float32 (float64 for float64
    features).
    """

    def pool(self, features, boxes, batch_indices, masks):
        """Pools packed boxes.

        Args:
          features: dict of `[B, H, W, C]` by level name.
          boxes: `[M, 4]` float32, pixels.
          batch_indices: `[M]` int32, the image of each box.
          masks: `[M, Hp, Wp]` probabilities in the frame of each box.

        Returns:
          `[M, S, S, C]` float32 (float64 for float64 features).
        """
        numbers = [int(name[1:]) for name in self.levels]
        if self.inclusive:
            boxes = boxes - tf.constant([0.0, 0.0, 1.0, 1.0])
        levels = assign_levels(boxes, numbers[0], numbers[-1], self.canonical_size)
        return shape_aware_roi_align(
            [features[name] for name in self.levels],
            boxes,
            batch_indices,
            levels,
            masks,
            self.size,
            [float(2**n) for n in numbers],
            self.sampling_ratio,
            self.aligned,
        )

    def call(self, inputs):
        features, boxes, masks = inputs
        batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
        images = tf.repeat(tf.range(batch), count)  # [B*N]
        masks = tf.reshape(masks, tf.concat([[batch * count], tf.shape(masks)[2:]], 0))
        pooled = self.pool(features, tf.reshape(boxes, [-1, 4]), images, masks)
        shape = [batch, count, self.size, self.size, pooled.shape[-1]]
        return tf.reshape(pooled, shape)  # [B, N, S, S, C]

    def compute_output_shape(self, input_shape):
        features, boxes, _ = input_shape
        return super().compute_output_shape([features, boxes])
