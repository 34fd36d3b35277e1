"""Batch normalisation by TensorFlow's fused kernel."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfmask")
class BatchNorm(keras.layers.BatchNormalization):
    """Keras's batch normalisation (Ioffe and Szegedy 2015) of NHWC features.

    The same weights and options. Keras 3 composes it of many passes over the feature
    map; the fused kernel needs two, and its gradient two. The moving variance is the
    unbiased one. Synchronised statistics are left to Keras.

    Call input: `[B, H, W, C]` floating. `empty`, a scalar bool, says that the batch
    holds a stand-in for no examples (rois.flatten_rois): the moving statistics then
    stay as they are. Returns the same shape and type.
    """

    def call(self, inputs, training=None, mask=None, empty=None):
        if getattr(self, "synchronized", False):
            return super().call(inputs, training=training, mask=mask)
        batch = bool(training) and self.trainable
        statistics = (self.moving_mean, self.moving_variance)
        mean, variance = (
            tf.zeros([0]) if batch else tf.cast(v, tf.float32) for v in statistics
        )
        done = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=batch,
        )
        if batch:
            for moving, now in zip(statistics, (done.batch_mean, done.batch_variance)):
                old = tf.cast(moving, tf.float32)
                new = old * self.momentum + now * (1.0 - self.momentum)
                # Every replica assigns, whichever of them have examples.
                moving.assign(new if empty is None else tf.where(empty, old, new))
        return done.y
