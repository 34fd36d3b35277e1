"""One call that checks what every Keras layer of the package must do."""

import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.naming import named_weights

LOW = "bfloat16"


def run_layer_checks(
    cls,
    options,
    inputs,
    num_weights,
    output_shape=None,
    *,
    bad_words=None,
    float32_layers=(),
    lead=1,
):
    """Checks that a layer

    - has the weights and shapes that are expected, with gradients, in eager and in
      graph mode;
    - comes back from its configuration as JSON text, from `.keras` and from
      `.weights.h5` of a functional model, with the same outputs to the bit;
    - says of a symbolic call what an eager one gives;
    - hands its dtype policy to its sublayers;
    - refuses words that it does not know.

    Args:
      cls: the layer class.
      options: constructor keywords.
      inputs: nested arrays, what `call` takes.
      num_weights: expected count of trained weight tensors.
      output_shape: expected shapes, a list; None: those of compute_output_shape.
      bad_words: constructor keywords with a value each that must be refused.
      float32_layers: names of sublayers that compute in float32 whatever the policy.
      lead: axes of each input whose size is unknown in the symbolic call.

    Returns:
      (layer, outputs)
    """
    inputs = tf.nest.map_structure(tf.constant, inputs)
    layer = _built(cls(**options), inputs)
    _draw_weights(layer)
    outputs = _check_gradients(layer, inputs, num_weights)
    _check_shapes(layer, inputs, outputs, output_shape)
    graph = tf.function(layer)(inputs)
    _same(outputs, graph, rtol=1e-3, atol=1e-3)
    twin = _check_json(layer, inputs, outputs)
    _check_files(layer, twin, inputs, outputs, lead)
    _check_policy(cls, options, inputs, outputs, layer, float32_layers)
    for name, word in (bad_words or {}).items():
        with pytest.raises(ValueError) as refusal:
            cls(**{**options, name: word})
        assert str(word) in str(refusal.value), refusal.value
    return layer, outputs


def _built(layer, inputs):
    layer.build(tf.nest.map_structure(_shape, inputs))
    return layer


def _shape(tensor):
    return tuple(tensor.shape)


def _draw_weights(layer):
    """Values that no initializer gives, so that a weight that is lost is seen."""
    rng = np.random.default_rng(0)
    for path, weight in named_weights(layer).items():
        low = 0.5 if path.endswith("moving_variance") else -0.2
        weight.assign(rng.uniform(low, low + 0.5, weight.shape).astype(np.float32))


def _same(outputs, others, rtol=0.0, atol=0.0):
    tf.nest.assert_same_structure(outputs, others)
    for one, other in zip(tf.nest.flatten(outputs), tf.nest.flatten(others)):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def _check_gradients(layer, inputs, num_weights):
    with tf.GradientTape() as tape:
        outputs = layer(inputs)
        squares = [tf.reduce_sum(tf.square(v)) for v in tf.nest.flatten(outputs)]
        total = tf.add_n(squares)
    assert len(layer.trainable_weights) == num_weights
    gradients = tape.gradient(total, layer.trainable_weights)
    for weight, gradient in zip(layer.trainable_weights, gradients):
        assert gradient is not None, f"{weight.name}: no gradient"
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weight.name
    return outputs


def _check_shapes(layer, inputs, outputs, expected):
    shapes = [_shape(v) for v in tf.nest.flatten(outputs)]
    if expected is not None:
        assert shapes == [tuple(shape) for shape in expected]
    computed = []
    _flatten_shapes(
        layer.compute_output_shape(tf.nest.map_structure(_shape, inputs)), computed
    )
    assert computed == shapes


def _flatten_shapes(value, shapes):
    """Shapes are tuples of ints: plain flattening would take them apart."""
    if isinstance(value, dict):
        for key in sorted(value):
            _flatten_shapes(value[key], shapes)
    elif any(isinstance(v, (tuple, list, dict)) for v in value):
        for item in value:
            _flatten_shapes(item, shapes)
    else:
        shapes.append(tuple(value))


def _check_json(layer, inputs, outputs):
    """Returns the layer that its configuration makes, with other weights."""
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    twin = keras.saving.deserialize_keras_object(json.loads(text))
    assert twin is not layer and type(twin) is type(layer)
    assert json.loads(json.dumps(twin.get_config())) == json.loads(
        json.dumps(layer.get_config())
    )
    if not twin.built:
        _built(twin, inputs)
    assert list(named_weights(twin)) == list(named_weights(layer))
    initial = twin.get_weights()
    twin.set_weights(layer.get_weights())
    _same(twin(inputs), outputs)
    twin.set_weights(initial)
    return twin


def _check_files(layer, twin, inputs, outputs, lead):
    """`twin`: the same layer with other weights."""
    arrays = tf.nest.flatten(inputs)
    model, other = (_functional(one, inputs, outputs, lead) for one in (layer, twin))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        model.save(path / "model.keras")
        loaded = keras.models.load_model(path / "model.keras")
        model.save_weights(path / "model.weights.h5")
        other.load_weights(path / "model.weights.h5")
    for again in (model, loaded, other):
        _same(tf.nest.flatten(again(arrays)), tf.nest.flatten(outputs))


def _functional(layer, inputs, outputs, lead):
    """A functional model of the layer; what it says of its outputs must be true."""
    symbols = tf.nest.map_structure(
        lambda x: keras.Input(
            (*[None] * (lead - 1), *x.shape[lead:]), dtype=x.dtype.name
        ),
        inputs,
    )
    symbolic = layer(symbols)
    tf.nest.assert_same_structure(symbolic, outputs)
    for symbol, output in zip(tf.nest.flatten(symbolic), tf.nest.flatten(outputs)):
        assert tf.as_dtype(symbol.dtype) == output.dtype
        assert tf.TensorShape(symbol.shape).is_compatible_with(output.shape)
        assert symbol.shape[lead:] == output.shape[lead:]
    return keras.Model(tf.nest.flatten(symbols), tf.nest.flatten(symbolic))


def _check_policy(cls, options, inputs, outputs, layer, float32_layers):
    low = _built(cls(**options, dtype=f"mixed_{LOW}"), inputs)
    low.set_weights(layer.get_weights())
    for sublayer in low._flatten_layers():
        expected = "float32" if sublayer.name in float32_layers else LOW
        assert sublayer.compute_dtype == expected, sublayer.name
    assert all(weight.dtype == "float32" for weight in low.weights)
    dtype = getattr(cls, "output_dtype", None) or LOW
    for rough, output in zip(
        tf.nest.flatten(low(inputs)), tf.nest.flatten(outputs), strict=True
    ):
        assert rough.dtype == dtype
        error = tf.norm(tf.cast(rough, tf.float32) - output)
        assert error <= 0.1 * tf.norm(output), f"{error} of {tf.norm(output)}"
