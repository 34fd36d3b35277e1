"""RoIAlign as Keras layers."""

import keras
import tensorflow as tf

from tfmask.ops.roi_align import multilevel_roi_align


@keras.saving.register_keras_serializable(package="tfmask")
class MultilevelRoIAlign(keras.layers.Layer):
    """RoIAlign of every box on the pyramid level that fits its size.

    Mask R-CNN sec. 3 (RoIAlign), FPN Eq. 1 (choice of the level).

    Args:
      size: bins a side, S.
      levels: names of the pyramid levels to pool from, fine to coarse; the number in
        each name is its level, the stride is 2 to that power.
      sampling_ratio: samples a bin and axis; 0: adaptive.
      aligned: shift by half a pixel; see `ops.roi_align.roi_align`.
      canonical_size: side in pixels of a box that belongs to level 4.
      inclusive: boxes follow maskrcnn-benchmark's inclusive corners: pooling sees
        x2 - 1 and y2 - 1.

    Call input: `[features, boxes]`: a dict of `[B, H, W, C]` by level name, and
    `boxes: [B, N, 4] float32, pixels`. Returns `[B, N, S, S, C]` float32.
    """

    def __init__(
        self,
        size,
        *,
        levels=("p2", "p3", "p4", "p5"),
        sampling_ratio=0,
        aligned=True,
        canonical_size=224.0,
        inclusive=False,
        **kwargs,
    ):
        # Boxes stay float32 whatever the features are computed in.
        super().__init__(autocast=False, **kwargs)
        self.size = size
        self.levels = tuple(levels)
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.canonical_size = canonical_size
        self.inclusive = inclusive

    def build(self, input_shape):
        self.built = True

    def pool(self, features, boxes, batch_indices):
        """Pools packed boxes.

        Args:
          features: dict of `[B, H, W, C]` by level name.
          boxes: `[M, 4]` float32, pixels.
          batch_indices: `[M]` int32, the image of each box.

        Returns:
          `[M, S, S, C]` float32.
        """
        numbers = [int(name[1:]) for name in self.levels]
        if self.inclusive:
            boxes = boxes - tf.constant([0.0, 0.0, 1.0, 1.0])
        return multilevel_roi_align(
            [features[name] for name in self.levels],
            boxes,
            batch_indices,
            self.size,
            [float(2**n) for n in numbers],
            numbers[0],
            self.sampling_ratio,
            self.aligned,
            self.canonical_size,
        )

    def call(self, inputs):
        features, boxes = inputs
        batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
        images = tf.repeat(tf.range(batch), count)  # [B*N]
        pooled = self.pool(features, tf.reshape(boxes, [-1, 4]), images)
        shape = [batch, count, self.size, self.size, pooled.shape[-1]]
        return tf.reshape(pooled, shape)  # [B, N, S, S, C]

    def compute_output_shape(self, input_shape):
        features, boxes = input_shape
        channels = features[self.levels[0]][-1]
        return (boxes[0], boxes[1], self.size, self.size, channels)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "levels": self.levels,
            "sampling_ratio": self.sampling_ratio,
            "aligned": self.aligned,
            "canonical_size": self.canonical_size,
            "inclusive": self.inclusive,
        }
