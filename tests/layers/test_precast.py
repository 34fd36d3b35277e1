import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.naming import raw_variable, stored_variable
from tfmask.layers.precast import Precast, cast_together, precast


class Three(keras.Model):
    """A frozen convolution, one with a frozen norm, and one with a bias."""

    def __init__(self, policy):
        super().__init__()
        self.stem = ConvNorm(4, 3, dtype=policy)
        self.middle = ConvNorm(5, 3, norm="frozen_bn", dtype=policy)
        self.last = ConvNorm(3, 1, dtype=policy)
        for layer, channels in zip((self.stem, self.middle, self.last), (2, 4, 5)):
            layer.build((None, None, None, channels))
        self.stem.trainable = False
        self.built = True

    def call(self, x):
        return self.last(self.middle(self.stem(x)))


def model_and_input(policy):
    model, rng = Three(policy), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model, tf.constant(rng.normal(size=(1, 6, 6, 2)), tf.float32)


def step(model, x, weights):
    variables = [raw_variable(v) for v in model.trainable_variables]
    if weights is None:
        with tf.GradientTape() as tape:
            y = model(x)
            total = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
    else:
        with tf.GradientTape() as tape, weights.inside():
            y = model(x)
            total = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
    return [y, *tape.gradient(total, variables)]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_results_and_gradients_have_the_same_bits(policy):
    model, x = model_and_input(policy)
    expected = step(model, x, None)
    for one, other in zip(step(model, x, Precast(model)), expected, strict=True):
        np.testing.assert_array_equal(
            tf.cast(one, tf.float32), tf.cast(other, tf.float32)
        )


def test_a_graph_casts_all_weights_once_and_their_gradients_once():
    model, x = model_and_input("mixed_bfloat16")
    weights = Precast(model)

    def casts(weights):
        traced = tf.function(lambda x: step(model, x, weights))
        operations = traced.get_concrete_function(x).graph.get_operations()
        found = [op for op in operations if op.type == "Cast"]
        return sum(op.outputs[0].dtype == tf.bfloat16 for op in found), len(found)

    # Of weights: those that are trained and those that are not. Beside them the image,
    # an offset and the gradient of the result.
    assert casts(weights)[0] == 5
    assert casts(None)[0] == 5 - 2 + 5


def test_a_weight_is_read_once_in_a_step():
    model, x = model_and_input("float32")
    weights = Precast(model)

    @tf.function
    def twice(x):
        with weights.inside() as step:
            y = model(x) + model(x)
        return y, [step.values[id(stored_variable(model.last.kernel))]]

    traced = twice.get_concrete_function(x)
    kinds = [op.type for op in traced.graph.get_operations()]
    assert kinds.count("ReadVariableOp") == 5 + 4  # and the statistics of the norm
    y, (kernel,) = traced(x)
    np.testing.assert_array_equal(y, 2 * model(x))
    np.testing.assert_array_equal(kernel, tf.convert_to_tensor(model.last.kernel))


def test_a_branch_reads_for_itself():
    model, x = model_and_input("float32")
    weights = Precast(model)

    @tf.function
    def either(x, which):
        with weights.inside():
            y = tf.cond(which, lambda: model(x), lambda: 2 * model(x))
            return y + model(x)

    for which, factor in ((True, 2), (False, 3)):
        y = either(x, tf.constant(which))
        np.testing.assert_allclose(y, factor * model(x), rtol=1e-6)


def test_outside_of_a_step_nothing_is_kept():
    model, x = model_and_input("mixed_bfloat16")
    with pytest.raises(KeyError), Precast(model).inside():
        assert precast(model.last) is not None
        raise KeyError
    assert precast(model.last) is None


def test_a_gradient_that_is_missing_is_zero():
    values = [tf.ones([2, 3]), tf.ones([4])]
    with tf.GradientTape() as tape:
        tape.watch(values)
        first, _ = cast_together(values, tf.bfloat16)
        total = tf.reduce_sum(first)
    gradients = tape.gradient(total, values)
    assert [g.dtype for g in gradients] == [tf.float32, tf.float32]
    np.testing.assert_array_equal(gradients[0], np.ones([2, 3]))
    np.testing.assert_array_equal(gradients[1], np.zeros(4))


@pytest.mark.parametrize("inside", [False, True])
def test_a_folded_kernel_is_rounded_once(inside):
    model, x = model_and_input("mixed_bfloat16")
    norm = model.middle.norm_layer
    scale, _ = norm.scale_and_offset()
    expected = tf.cast(tf.convert_to_tensor(model.middle.kernel) * scale, tf.bfloat16)
    seen = []
    model.middle._convolve = lambda x, kernel, bordered: (
        seen.append(kernel) or tf.nn.conv2d(x, kernel, 1, "SAME")
    )
    with Precast(model).inside() if inside else contextlib.nullcontext():
        model(x)
    np.testing.assert_array_equal(
        tf.cast(seen[0], tf.float32), tf.cast(expected, tf.float32)
    )
