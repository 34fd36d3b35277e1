"""A tiny model and stream that keep the contract of the real ones.

The model counts in a weight `seen` how often each example of the stream was used.
"""

import keras
import numpy as np
import tensorflow as tf

from tfmask.layers.loss_weights import LossWeights
from tfmask.models.fitting import FittedModel
from tfmask.ops.distribute import cross_replica_sum

STREAM = 512  # examples that `seen` can tell apart


class Seen(keras.layers.Layer):
    """Counts the examples of the stream."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.counts = self.add_weight(
            name="counts",
            shape=(STREAM,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
        )
        # Makes a checkpoint the largest file of a run, see test_kill.
        self.ballast = self.add_weight(
            name="ballast",
            shape=(16384,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
        )
        self.built = True

    def add(self, indices):
        hits = tf.reduce_sum(tf.one_hot(indices, STREAM), axis=0)
        self.counts.assign_add(cross_replica_sum(hits))


class FakeModel(FittedModel):
    """Two losses over a convolution and a dense layer."""

    def __init__(self, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(4, 3, padding="same", name="conv")
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.head = keras.layers.Dense(classes, name="class_logits")
        self.seen = Seen(name="seen", dtype="float32")
        self.loss_weights = LossWeights(("box_class", "mask"), name="loss_weights")
        self.seed = 0
        self.nan_at = -1  # the mask loss of this example of the stream is NaN
        self.conv.build((None, None, None, 3))
        self.norm.build((None, None, None, 4))
        self.head.build((None, 4))
        self.built = True

    def call(self, batch, training=False, supervised=None):
        x = tf.cast(batch["images"], tf.float32) / 255
        x = tf.nn.relu(self.norm(self.conv(x)))
        pooled = tf.reduce_mean(x, axis=[1, 2])
        if training:
            self.seen.add(batch["stream_index"])
        return {
            "logits": tf.cast(self.head(pooled), tf.float32),
            "map": tf.cast(x, tf.float32),
        }

    def compute_losses(self, outputs, batch):
        valid = tf.cast(batch["valid"], tf.float32)
        count = tf.maximum(cross_replica_sum(tf.reduce_sum(valid)), 1.0)
        per_image = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.cast(batch["labels"][:, 0] % 3, tf.int32), outputs["logits"]
        )
        each = tf.reduce_sum(tf.square(outputs["map"] - 0.5), axis=[1, 2, 3]) / 1000
        poisoned = batch["stream_index"] == self.nan_at
        each = tf.where(poisoned, float("nan"), each)
        images = cross_replica_sum(tf.cast(tf.shape(per_image)[0], tf.float32))
        return {
            "box_class": tf.reduce_sum(per_image * tf.reduce_sum(valid, 1)) / count,
            "mask": tf.reduce_sum(each) / images,
        }


def example(index: int, seed: int) -> dict:
    """Example `index` of the stream, a pure function of (seed, index)."""
    rng = np.random.default_rng([seed, index])
    instances = int(rng.integers(0, 3))
    valid = np.arange(2) < instances
    return {
        "images": rng.integers(0, 255, (16, 16, 3)).astype(np.uint8),
        "image_sizes": np.array([16, 16], np.int32),
        "image_index": np.int64(index % 10),
        "stream_index": np.int64(index),
        "boxes": np.zeros((2, 4), np.float32),
        "labels": np.where(valid, rng.integers(1, 4, 2), 0).astype(np.int32),
        "masks": np.zeros((2, 8, 8), np.uint8),
        "crowd": np.zeros(2, bool),
        "valid": valid,
    }


def batches(start_index: int, batch_size: int, seed: int = 0) -> tf.data.Dataset:
    """Endless batches from a place in the stream, as `pipeline.training_dataset`."""
    total = STREAM
    rows = [example(i, seed) for i in range(total)]
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    whole = tf.data.Dataset.from_tensor_slices(arrays).repeat().skip(start_index)
    return whole.batch(batch_size, drop_remainder=True)
