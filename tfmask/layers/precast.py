"""What a training step reads of the weights: once, and cast all together."""

import contextlib
import threading

import keras
import tensorflow as tf

from tfmask.layers.naming import stored_variable

_thread = threading.local()  # `step`: the Precast.inside that is entered, or None


def read(variable) -> tf.Tensor:
    """The value of a weight in float32, not rounded; within a step it is read once."""
    variable = stored_variable(variable)
    step = getattr(_thread, "step", None)
    # A branch or a loop is a graph of its own, whose tensors are of no use outside.
    if step is None or step.graph is not _graph():
        return tf.cast(tf.convert_to_tensor(variable), tf.float32)
    key = id(variable)
    if key not in step.values:
        step.values[key] = tf.cast(tf.convert_to_tensor(variable), tf.float32)
    return step.values[key]


def precast(layer: keras.layers.Layer) -> list[tf.Tensor] | None:
    """The `exact_weights` of a layer in its compute type, within `Precast.inside`."""
    step = getattr(_thread, "step", None)
    return None if step is None else step.weights.get(id(layer))


class StepWeights:
    """What a step has read.

    Attributes:
      values: id of the stored variable of a weight -> its value, of those that `read`
        was called for.
      weights: id of a layer -> its weights, cast.
    """

    def __init__(self):
        self.graph = _graph()
        self.values: dict[int, tf.Tensor] = {}
        self.weights: dict[int, list[tf.Tensor]] = {}


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
        """Layers that are called inside, in this thread, find their weights cast.

        Yields:
          StepWeights.
        """
        _thread.step = step = StepWeights()
        try:
            for (dtype, _), layers in self.groups.items():
                exact = [layer.exact_weights() for layer in layers]
                flat = cast_together([w for weights in exact for w in weights], dtype)
                for layer, weights in zip(layers, exact):
                    step.weights[id(layer)] = flat[: len(weights)]
                    flat = flat[len(weights) :]
            yield step
        finally:
            _thread.step = None


def _graph():
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


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
