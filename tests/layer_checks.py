"""One call that checks what every Keras layer of the package must do."""

import keras
import numpy as np
import tensorflow as tf


def _map(function, value):
    return tf.nest.map_structure(function, value)


def _shape(tensor):
    return tuple(tensor.shape)


def run_layer_checks(cls, options, inputs, num_weights, output_shape=None):
    """Builds, calls, differentiates, serialises and rebuilds a layer.

    Args:
      cls: the layer class.
      options: constructor keywords.
      inputs: nested arrays, what `call` takes.
      num_weights: expected count of trained weight tensors.
      output_shape: expected nested shapes; None: those of compute_output_shape.

    Returns:
      (layer, outputs)
    """
    inputs = _map(tf.constant, inputs)
    layer = cls(**options)
    layer.build(_map(_shape, inputs))
    with tf.GradientTape() as tape:
        outputs = layer(inputs)
        total = tf.add_n(
            [tf.reduce_sum(tf.square(v)) for v in tf.nest.flatten(outputs)]
        )
    assert len(layer.trainable_weights) == num_weights
    for weight, gradient in zip(
        layer.trainable_weights, tape.gradient(total, layer.trainable_weights)
    ):
        assert gradient is not None, f"{weight.name}: no gradient"
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weight.name

    shapes = [_shape(v) for v in tf.nest.flatten(outputs)]
    if output_shape is not None:
        assert shapes == [tuple(s) for s in output_shape]
    computed = layer.compute_output_shape(_map(_shape, inputs))
    flat = []
    _flatten_shapes(computed, flat)
    assert len(flat) == len(shapes)
    for got, said in zip(shapes, flat):
        assert all(s in (None, g) for g, s in zip(got, said)), (got, said)

    config = layer.get_config()
    twin = cls.from_config(
        keras.saving.deserialize_keras_object(config)
        if "class_name" in config
        else config
    )
    twin.build(_map(_shape, inputs))
    twin.set_weights(layer.get_weights())
    for a, b in zip(tf.nest.flatten(outputs), tf.nest.flatten(twin(inputs))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)

    graph = tf.function(layer)(inputs)
    for a, b in zip(tf.nest.flatten(outputs), tf.nest.flatten(graph)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    return layer, outputs


def _flatten_shapes(value, found):
    """Shapes are tuples of ints: plain flattening would take them apart."""
    if isinstance(value, dict):
        for key in sorted(value):
            _flatten_shapes(value[key], found)
    elif isinstance(value, (tuple, list)) and any(
        isinstance(v, (tuple, list, dict)) for v in value
    ):
        for item in value:
            _flatten_shapes(item, found)
    else:
        found.append(tuple(value))
