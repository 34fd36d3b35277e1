"""Batch normalisation by TensorFlow's fused kernel."""

import keras
import tensorflow as tf

from tfmask.layers.part import Part, one_of

# What the fused kernel is made for, of the options of Keras; the axis may be counted
# from either end.
_OPTIONS = {
    "axis": (-1, 3, [3]),
    "center": (True,),
    "scale": (True,),
    "renorm": (False,),
}


@keras.saving.register_keras_serializable(package="tfmask")
class BatchNorm(Part, keras.layers.BatchNormalization):
    """Keras's batch normalisation (Ioffe and Szegedy 2015) of NHWC features.

    Keras 3 composes it of many passes over the feature map; the fused kernel needs two,
    and its gradient two. The moving variance is the unbiased one. Synchronised
    statistics, and those of masked features, are left to Keras.

    Args:
      momentum: what the moving statistics keep of themselves in a step.
      epsilon: added to the variance.
      synchronized: statistics are those of all replicas.
      **kwargs: of Keras's layer; channels are last, scale and offset are there, and
        there is no renormalisation.

    Call input: `[B, H, W, C]` floating. `empty`, a scalar bool, says that the batch
    holds a stand-in for no examples (rois.flatten_rois): the moving statistics then
    stay as they are. Returns the same shape and type.

    Raises:
      ValueError: an option of Keras's layer that the fused kernel does not have.
    """

    def __init__(
        self,
        *,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(
            momentum=momentum, epsilon=epsilon, synchronized=synchronized, **kwargs
        )
        for name, values in _OPTIONS.items():
            one_of(name, kwargs.get(name, values[0]), values)

    def call(self, inputs, training=None, mask=None, empty=None):
        if self.synchronized or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        batch = bool(training) and self.trainable
        statistics = (self.moving_mean, self.moving_variance)
        mean, variance = (
            tf.zeros([0]) if batch else tf.cast(v, tf.float32) for v in statistics
        )
        result = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=batch,
        )
        if batch:
            of_batch = (result.batch_mean, result.batch_variance)
            for moving, now in zip(statistics, of_batch):
                old = tf.cast(moving, tf.float32)
                new = old * self.momentum + now * (1.0 - self.momentum)
                # Every replica assigns, whichever of them have examples.
                moving.assign(new if empty is None else tf.where(empty, old, new))
        return result.y
