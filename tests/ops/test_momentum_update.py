"""The compiled update of all weights beside its equations in NumPy."""

import momentum_calls
import momentum_cases
import numpy as np
import pytest
import tensorflow as tf
from momentum_cases import Case

from tfmask.ops import _library
from tfmask.ops.momentum_update import momentum_update

pytestmark = pytest.mark.skipif(
    not _library.path(_library.MOMENTUM_UPDATE).exists(),
    reason="the compiled ops are not built",
)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("clip_norm", [0.0, 0.5, 1e6])
@pytest.mark.parametrize("loss_scale", [1.0, 1024.0])
def test_a_step_is_that_of_the_equations(nesterov, clip_norm, loss_scale):
    # Around the chunks that threads take, an empty one among them.
    shapes = [(1,), (3, 5), (16384,), (16385,), (0, 3), (2, 40000), ()]
    case = Case(
        shapes,
        decays=[0.0, 1e-4, 0.1, 0.0, 0.1, 1e-4, 0.5],
        factors=[1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 2.0],
        nesterov=nesterov,
        clip_norm=clip_norm,
        loss_scale=loss_scale,
    )
    momentum_cases.compare(momentum_calls.run(case), momentum_cases.update(case))


def test_a_step_by_hand():
    case = Case([(1,)], decays=[0.5], factors=[2.0], momentum=0.9, rate=0.1)
    case.weights, case.velocities = [np.float32([4.0])], [np.float32([1.0])]
    case.gradients = [np.float32([3.0])]
    found = momentum_calls.run(case)
    # g = (3 + 0.5 * 4) * 2 = 10, v = 0.9 * 1 - 0.1 * 10, w = 4 + v
    np.testing.assert_allclose(found.velocities, [[-0.1]], rtol=1e-6)
    np.testing.assert_allclose(found.weights, [[3.9]], rtol=1e-6)
    np.testing.assert_allclose(found.norms, [4.5])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["gradients", "values"])
def test_what_is_not_finite_changes_nothing(bad, where):
    case = Case([(5,), (20000,)])
    if where == "values":
        case.values[1] = bad
    else:
        case.gradients[1][17000] = bad
    found = momentum_calls.run(case)
    assert not found.finite
    assert np.isfinite(found.norms).tolist() == [True, where == "values"]
    before = case.weights + case.velocities
    for got, want in zip(found.weights + found.velocities, before):
        np.testing.assert_array_equal(got, want)


def test_what_was_read_before_stays_as_it_was():
    case = Case([(40,)])
    weights, velocities = momentum_calls.variables(case)
    read = tf.convert_to_tensor(weights[0])
    momentum_update(**momentum_calls.arguments(case, weights, velocities))
    np.testing.assert_array_equal(read, case.weights[0])
    assert not np.array_equal(weights[0].numpy(), case.weights[0])


def test_in_a_graph_it_comes_after_what_reads_the_weights_and_before_what_follows():
    case = Case([(6,), (30,)])
    weights, velocities = momentum_calls.variables(case)

    @tf.function
    def step():
        before = [w * 1.0 for w in weights]
        momentum_update(**momentum_calls.arguments(case, weights, velocities))
        return before, [w * 1.0 for w in weights]

    expected = momentum_cases.update(case)
    before, after = step()
    for got, want in zip(before, case.weights):
        np.testing.assert_array_equal(got, want)
    for got, want in zip(after, expected.weights):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_the_bits_are_those_of_every_run():
    case = Case([(50000,), (300, 300)], clip_norm=0.1)
    first, second = momentum_calls.run(case), momentum_calls.run(case)
    np.testing.assert_array_equal(first.norms, second.norms)
    for a, b in zip(first.weights, second.weights):
        np.testing.assert_array_equal(a, b)


def put(name, index, value):
    return lambda call: call[name].__setitem__(index, value(call))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (put("gradients", 1, lambda _: tf.zeros([2])), "weight 1 has the shape"),
        (put("weights", 1, lambda call: call["weights"][0]), "comes twice"),
        (
            put("velocities", 0, lambda _: tf.Variable(tf.zeros([3], "int32"))),
            "velocity of weight 0 is int32",
        ),
        (lambda call: call.update(decays=[0.0]), "1 decays and 2 factors"),
        (lambda call: call.update(clip_norm=-1.0), "clip_norm -1"),
        (lambda call: call.update(rate=tf.zeros([2])), "rate has the shape"),
    ],
)
def test_calls_that_do_not_fit_are_refused_and_change_nothing(spoil, message):
    case = Case([(3,), (4,)])
    call = momentum_calls.arguments(case, *momentum_calls.variables(case))
    weight = call["weights"][0]
    spoil(call)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        momentum_update(**call)
    np.testing.assert_array_equal(weight.numpy(), case.weights[0])


@pytest.mark.gpu
@pytest.mark.parametrize("clip_norm", [0.0, 0.5])
@pytest.mark.parametrize("bad", [False, True])
def test_a_gpu_computes_what_a_cpu_does(clip_norm, bad):
    if not _library.has_gpu_kernels(_library.MOMENTUM_UPDATE):
        pytest.skip("the compiled ops have no GPU kernels")
    # More weights than one launch describes.
    rng = np.random.default_rng(3)
    shapes = [(int(n),) for n in rng.integers(1, 40000, 200)]
    case = Case(shapes, clip_norm=clip_norm, nesterov=True)
    if bad:
        case.gradients[150][-1] = np.nan
    with tf.device("GPU:0"):
        found = momentum_calls.run(case)
    assert found.finite == (not bad)
    momentum_cases.compare(found, momentum_cases.update(case))
