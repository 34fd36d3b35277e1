"""Weights in the type that layers compute in, all cast together."""

import contextlib
import threading

import keras
import tensorflow as tf

_thread = threading.local()  # `weights`: id of a layer -> its weights, cast


def precast(layer: keras.layers.Layer) -> list[tf.Tensor] | None:
    """The `exact_weights` of a layer in its compute type, within `Precast.inside`."""
    return getattr(_thread, "weights", {}).get(id(layer))


class Precast:
    """Casts the weights of all layers of a model at once.

    Under mixed precision a step casts each weight, and the gradient of each back: on a
    GPU hundreds of kernels of hardly any work. Here they are one long vector.

    Layers take part that have a method `exact_weights() -> list` of float32 tensors of
    known shape, cast each to the layer's compute type as they need it, and take them
    from `precast` where that has them. The numbers are the same.

    Args:
      model: a built model. What is trainable now is cast apart from what is not, whose
        gradient nobody wants.
    """

    def __init__(self, model: keras.layers.Layer):
        layers = {id(layer): layer for layer in model._flatten_layers()}
        self.groups: dict = {}
        for layer in layers.values():
            dtype = tf.as_dtype(layer.compute_dtype)
            if hasattr(layer, "exact_weights") and dtype != tf.float32:
                trained = bool(layer.trainable_weights)
                self.groups.setdefault((dtype, trained), []).append(layer)

    @contextlib.contextmanager
    def inside(self):
        """Layers that are called inside, in this thread, find their weights cast."""
        if not self.groups:
            yield
            return
        _thread.weights = {}
        for (dtype, _), layers in self.groups.items():
            exact = [layer.exact_weights() for layer in layers]
            flat = cast_together([w for weights in exact for w in weights], dtype)
            for layer, weights in zip(layers, exact):
                _thread.weights[id(layer)] = flat[: len(weights)]
                flat = flat[len(weights) :]
        try:
            yield
        finally:
            _thread.weights = {}


def cast_together(tensors: list[tf.Tensor], dtype) -> list[tf.Tensor]:
    """Tensors of one type in another, by one cast, and their gradients by one back.

    Args:
      tensors: of known shape.
      dtype: floating.
    """
    source, shapes = tensors[0].dtype, [tensor.shape for tensor in tensors]
    sizes = [shape.num_elements() for shape in shapes]

    def cast(values, dtype):
        flat = tf.concat([tf.reshape(value, [-1]) for value in values], 0)
        parts = tf.split(tf.cast(flat, dtype), sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes)]

    @tf.custom_gradient
    def all_of(*tensors):
        return cast(tensors, dtype), lambda *upstream: cast(upstream, source)

    return all_of(*tensors)
