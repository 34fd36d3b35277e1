"""Inputs for necks, and what is checked of each."""

import numpy as np
import tensorflow as tf

from tfmask.models.macs import count_macs


def stages(height=64, width=96, channels=(16, 32, 64, 64), seed=0):
    """Features c2..c5 of an image of this size, one image."""
    rng = np.random.default_rng(seed)
    return {
        f"c{i}": rng.normal(size=(1, height // 2**i, width // 2**i, c)).astype(
            np.float32
        )
        for i, c in enumerate(channels, 2)
    }


def built(neck, channels=(256, 512, 1024, 2048)):
    """A neck on features of these channels, by default a ResNet-50's."""
    neck.build({f"c{i}": (None, None, None, c) for i, c in enumerate(channels, 2)})
    return neck


def neck_macs(neck, height, width, channels=(256, 512, 1024, 2048)) -> int:
    """Multiply-accumulates of a built neck for an image of this size."""
    shapes = {
        f"c{i}": tf.TensorSpec((1, height // 2**i, width // 2**i, c))
        for i, c in enumerate(channels, 2)
    }
    return count_macs(neck, shapes)
