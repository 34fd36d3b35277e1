import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.models import sgd
from tfmask.ops import momentum_update


def trained(*sides):
    layer = keras.layers.Layer()
    values = np.random.default_rng(0).normal(size=(len(sides), 40)).astype(np.float32)
    return [
        layer.add_weight(
            name=f"w{i}", shape=(n,), initializer=keras.initializers.Constant(0.0)
        )
        for i, n in enumerate(sides)
    ], [row[:n] for row, n in zip(values, sides)]


def together(optimizer, gradients, variables):
    if not momentum_update.is_available():
        pytest.skip("the compiled ops are not built")
    plain = {"decays": [0.0] * len(variables), "factors": [1.0] * len(variables)}
    done = sgd.update_together(
        optimizer, gradients, variables, tf.zeros([1]), tf.ones([]), **plain
    )
    assert bool(done.finite)


def keras_own(optimizer, gradients, variables):
    optimizer.apply_gradients(zip(gradients, variables))


@pytest.mark.parametrize("update", [sgd.update, together])
@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_those_of_keras(nesterov, update):
    results = []
    for take in (keras_own, update):
        variables, start = trained(1, 7, 40)
        for variable, value in zip(variables, start):
            variable.assign(value)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov)
        optimizer.build(variables)
        assert sgd.is_plain(optimizer, variables)
        rng = np.random.default_rng(1)
        for step in range(3):
            gradients = [
                tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables
            ]
            optimizer.learning_rate.assign(0.1 / (1 + step))
            take(optimizer, gradients, variables)
        assert int(optimizer.iterations.numpy()) == 3
        state = [*variables, *optimizer.momentums]
        results.append([np.asarray(tf.convert_to_tensor(v)) for v in state])
    for expected, ours in zip(*results):
        # The same sums; the compiler may fuse a product into one of them.
        np.testing.assert_allclose(ours, expected, rtol=3e-7, atol=1e-8)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True),
        lambda: keras.optimizers.Adam(0.1),
    ],
)
def test_optimizers_that_do_more_are_left_to_keras(optimizer):
    variables, _ = trained(3)
    made = optimizer()
    made.build(variables)
    assert not sgd.is_plain(made, variables)
