"""Batch normalisation whose statistics never change."""

import contextlib
import threading

import keras
import tensorflow as tf

from tfmask.layers.part import UNCAST, Part
from tfmask.layers.precast import read

_thread = threading.local()  # `folded`: id of a layer -> its scale and offsets


@keras.saving.register_keras_serializable(package="tfmask")
class FrozenBatchNorm(Part):
    """Batch normalisation with fixed statistics (Detectron2's FrozenBatchNorm2d).

    Args:
      epsilon: added to the variance; 0 for maskrcnn-benchmark.
      train_affine: scale and offset are trained (Tensorpack's FreezeBN).

    Call input: `[..., C]` floating. Returns the same shape and type.
    """

    def __init__(self, epsilon: float = 1e-5, *, train_affine: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.epsilon = epsilon
        self.train_affine = train_affine

    def build(self, input_shape):
        def add(name, initializer, trainable):
            return self.add_weight(
                name=name,
                shape=(input_shape[-1],),
                initializer=initializer,
                trainable=trainable,
                **UNCAST,
            )

        self.gamma = add("gamma", "ones", self.train_affine)
        self.beta = add("beta", "zeros", self.train_affine)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)
        self.built = True

    def scale_and_offset(self, dtype=tf.float32):
        """(scale `[C]` float32, offset `[C]` of a type): y = x * scale + offset."""
        folded = getattr(_thread, "folded", {}).get(id(self))
        if folded is not None:
            scale, offsets = folded
            return scale, offsets[tf.as_dtype(dtype)]
        gamma, beta, mean, variance = (
            read(w)
            for w in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        scale = gamma * tf.math.rsqrt(variance + self.epsilon)
        return scale, tf.cast(beta - mean * scale, dtype)

    def call(self, inputs):
        scale, offset = self.scale_and_offset(inputs.dtype)
        return inputs * tf.cast(scale, inputs.dtype) + offset

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class FoldedNorms:
    """Scales and offsets of all frozen normalisations of a model, computed once.

    A graph that is traced within `inside` reads one tensor instead of four variables
    for each layer, and computes nothing of them. What is assigned to the statistics
    afterwards it does not see. Layers whose scale is trained are left out.

    Args:
      model: a built model.
    """

    def __init__(self, model: keras.layers.Layer):
        self.layers = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, FrozenBatchNorm) and not layer.train_affine
        ]
        pairs = [layer.scale_and_offset() for layer in self.layers]
        scales, offsets = zip(*pairs) if pairs else ((), ())
        # The values, as each replica is to have them on its own device.
        self.packed = [
            tf.concat(v, 0).numpy() if v else None for v in (scales, offsets)
        ]
        self.sizes = [layer.gamma.shape[0] for layer in self.layers]

    @contextlib.contextmanager
    def inside(self):
        """Layers that are called inside, in this thread, use what was computed."""
        if not self.layers:
            yield
            return
        scales, offsets = (tf.constant(values) for values in self.packed)
        by_type = {
            dtype: tf.split(tf.cast(offsets, dtype), self.sizes)
            for dtype in {
                tf.float32,
                *(tf.as_dtype(v.compute_dtype) for v in self.layers),
            }
        }
        _thread.folded = {
            id(layer): (scale, {dtype: by_type[dtype][row] for dtype in by_type})
            for row, (layer, scale) in enumerate(
                zip(self.layers, tf.split(scales, self.sizes))
            )
        }
        try:
            yield
        finally:
            _thread.folded = {}
