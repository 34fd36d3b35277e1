import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import BUILT, COMPILED, IMPLEMENTATIONS
from deform_reference import columns, gradients

from tfmask.ops import _library
from tfmask.ops.deform_columns import deform_columns
from tfmask.ops.deform_conv import deform_conv2d

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
compiled = pytest.mark.parametrize("implementation", [COMPILED])


def inputs(
    dtype=np.float32, size=3, strides=1, modulated=True, channels=3, shape=(2, 7, 9)
):
    """Features, offsets, modulation; places inside, outside, on borders, no numbers."""
    rng = np.random.default_rng(0)
    batch, height, width = shape
    lead = (batch, -(-height // strides), -(-width // strides))
    offsets = rng.normal(size=(*lead, 2 * size * size)).astype(np.float32)
    offsets[:, :, 1] = np.round(4 * offsets[:, :, 1])
    offsets[:, 1] *= 6
    offsets.reshape(-1)[[0, 3, 6]] = np.nan, np.inf, -1e30
    modulation = rng.random((*lead, size * size)) if modulated else None
    features = rng.normal(size=(*shape, channels)).astype(dtype)
    return features, offsets, modulation


def differentiate(arguments, grad, size, strides, implementation):
    """Columns, and the gradients of what there is of the arguments."""
    tensors = [None if a is None else tf.constant(a) for a in arguments]
    watched = [tensor for tensor in tensors if tensor is not None]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        result = deform_columns(*tensors, size, strides, implementation)
    found = tape.gradient(result, watched, tf.cast(grad, result.dtype))
    return result.numpy(), [gradient.numpy() for gradient in found]


def upstream(result):
    return np.random.default_rng(1).normal(size=result.shape)


@both
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("size, strides", [(1, 1), (3, 1), (3, 2), (5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_equal_the_equation(
    implementation, dtype, size, strides, modulated, ordered
):
    arguments = inputs(dtype, size, strides, modulated)
    expected = columns(*arguments, size, strides)
    grad = upstream(expected)
    result, found = differentiate(arguments, grad, size, strides, implementation)
    assert result.dtype == dtype
    # Stock ops compute in float32, and know places as parts of the map.
    tolerance = 2e-5
    if implementation == "compiled":
        tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
    expected = gradients(*arguments, size, strides, grad)
    for gradient, value in zip(found, expected):
        if gradient.dtype == np.float32:  # the offsets' is always
            tolerance = max(tolerance, 1e-6)
        np.testing.assert_allclose(gradient, value, rtol=0, atol=10 * tolerance)


@compiled
@pytest.mark.parametrize("channels", [1, 15, 16, 17, 130, 257])
def test_any_number_of_channels(implementation, channels):
    arguments = inputs(channels=channels, shape=(1, 20, 5))  # three bands of rows
    expected = columns(*arguments, 3, 1)
    grad = upstream(expected)
    result, found = differentiate(arguments, grad, 3, 1, implementation)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    for gradient, value in zip(found, gradients(*arguments, 3, 1, grad)):
        np.testing.assert_allclose(gradient, value, rtol=1e-5, atol=1e-5)


@both
def test_slopes_on_lines_of_cells_are_those_of_the_interval_after_them(implementation):
    # A column of cells 2, 3, 5 and a single tap at row 0: it reads 0 at row -1, and
    # rises by 2 from there.
    features = np.float32([2, 3, 5]).reshape(1, 3, 1, 1)
    features = np.tile(features, [1, 1, 3, 1])
    rows = np.float32([-1.01, -1, 0, 1, 2, 3, 3.01])
    expected = [0, 2, 1, 2, -5, 0, 0]
    for row, slope in zip(rows, expected):
        offsets = np.zeros((1, 3, 3, 2), np.float32)
        offsets[0, 0, 1, 0] = row
        grad = np.zeros((9, 1, 1), np.float32)
        grad[1] = 1.0
        arguments = (features, offsets, None)
        _, (_, found) = differentiate(arguments, grad, 1, 1, implementation)
        assert found[0, 0, 1, 0] == pytest.approx(slope, abs=1e-4), row


@compiled
def test_gradients_are_differences_in_float64(implementation):
    features, offsets, modulation = inputs(np.float64)
    offsets = np.where(np.isfinite(offsets), offsets, 0)
    # Sixteenths, and steps of a 32nd: no step crosses a line of cells, between which
    # the reading is linear in each displacement.
    offsets = (np.floor(16 * offsets) / 16 + 1 / 32).astype(np.float32)
    arguments = {"features": features, "offsets": offsets, "modulation": modulation}
    value = deform_columns(**arguments, size=3, implementation=implementation)
    grad = upstream(value)
    _, found = differentiate(arguments.values(), grad, 3, 1, implementation)
    rng = np.random.default_rng(2)
    for gradient, (name, value) in zip(found, arguments.items()):
        for _ in range(20):
            at = tuple(rng.integers(value.shape))
            step = np.zeros_like(value)
            step[at] = 1 / 32
            there, back = (
                deform_columns(
                    **{**arguments, name: value + sign * step},
                    size=3,
                    implementation=implementation,
                )
                for sign in (1, -1)
            )
            slope = np.sum((there - back) * 16 * grad)
            assert gradient[at] == pytest.approx(slope, rel=1e-6, abs=1e-9), name


@compiled
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_short_types_are_summed_in_float32_and_rounded_once(
    implementation, dtype, modulated
):
    features, *rest = inputs(modulated=modulated, channels=33)
    features = tf.cast(features, dtype)
    grad = tf.cast(upstream(columns(features, *rest, 3, 1)), dtype)
    short, found = differentiate((features, *rest), grad, 3, 1, implementation)
    wide = tf.cast(features, tf.float32), *rest
    exact, expected = differentiate(wide, grad, 3, 1, implementation)
    assert short.dtype == dtype.as_numpy_dtype
    np.testing.assert_array_equal(short, tf.cast(exact, dtype).numpy())
    np.testing.assert_array_equal(found[0], tf.cast(expected[0], dtype).numpy())
    for gradient, value in zip(found[1:], expected[1:]):
        np.testing.assert_array_equal(gradient, value)


@both
@pytest.mark.parametrize("modulated", [False, True])
def test_an_empty_batch_gives_empty_gradients(implementation, modulated):
    arguments = inputs(modulated=modulated, shape=(1, 4, 5))
    arguments = [None if a is None else a[:0] for a in arguments]
    grad = np.zeros((0, 9, 3), np.float32)
    result, found = differentiate(arguments, grad, 3, 1, implementation)
    assert result.shape == (0, 9, 3)
    given = [a.shape for a in arguments if a is not None]
    assert [gradient.shape for gradient in found] == given


@compiled
def test_empty_maps_and_no_channels_are_empty(implementation):
    for shape, channels in (((2, 0, 5), 3), ((2, 5, 0), 3), ((1, 4, 4), 0)):
        cells = np.prod(shape)
        features = np.ones((*shape, channels), np.float32)
        offsets = np.ones((*shape, 18), np.float32)
        grad = np.zeros((cells, 9, channels))
        result, found = differentiate(
            (features, offsets, None), grad, 3, 1, implementation
        )
        assert result.shape == (cells, 9, channels)
        assert not found[1].any()


@both
def test_open_sizes_trace_once(implementation):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3]),
            tf.TensorSpec([None, None, None, 18]),
        ]
    )
    def read(features, offsets):
        result = deform_columns(features, offsets, None, 3, 2, implementation)
        assert result.shape.as_list() == [None, 9, 3]
        return result

    for shape in ((1, 4, 5), (2, 7, 3)):
        features, offsets, _ = inputs(strides=2, shape=shape)
        np.testing.assert_allclose(
            read(features, offsets), columns(features, offsets, None, 3, 2), atol=2e-5
        )


@compiled
def test_shapes_that_do_not_fit_are_named(implementation):
    features, offsets, modulation = inputs()

    def read(features, offsets, modulation, strides=1, size=3):
        shapes = [None if a is None else [None] * a.ndim for a in (offsets, modulation)]

        @tf.function(autograph=False)
        def traced(features, *rest):
            rest = [*rest, None][:2]
            # Unknown while the graph is made: the kernel has to look.
            rest = [
                r if r is None else tf.ensure_shape(tf.identity(r), s)
                for r, s in zip(rest, shapes)
            ]
            return deform_columns(features, *rest, size, strides, implementation)

        specs = [
            tf.TensorSpec([None] * a.ndim, a.dtype)
            for a in (features, offsets, modulation)
            if a is not None
        ]
        arguments = [a for a in (features, offsets, modulation) if a is not None]
        return traced.get_concrete_function(*specs)(*map(tf.constant, arguments))

    expected = r"expected \[2, 7, 9, 18\] for features of 7x9 cells, 3x3 taps"
    error = tf.errors.InvalidArgumentError
    with pytest.raises(error, match=rf"offsets has the shape \[2,6,9,18\]: {expected}"):
        read(features, offsets[:, 1:], modulation)
    with pytest.raises(error, match=rf"offsets has the shape \[1,7,9,18\]: {expected}"):
        read(features, offsets[:1], None)
    with pytest.raises(error, match=r"offsets .* expected \[2, 4, 5, 18\] .*stride 2"):
        read(features, offsets, None, strides=2)
    with pytest.raises(error, match=r"modulation has the shape \[2,7,9,8\]"):
        read(features, offsets, modulation[..., 1:])
    with pytest.raises(error, match="size is 2: expected an odd number of taps"):
        read(features, offsets[..., :8], None, size=2)


@pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")
def test_the_compiled_op_is_taken_unless_stock_ops_are_asked_for(monkeypatch):
    features, offsets, _ = map(tf.constant, inputs(modulated=True))
    kernel = tf.ones([3, 3, 3, 2])

    def operations():
        def step():
            with tf.GradientTape() as tape:
                tape.watch(features)
                result = deform_conv2d(features, offsets, kernel)
            return tape.gradient(result, features)

        graph = tf.function(step).get_concrete_function().graph
        definition = graph.as_graph_def()
        nodes = [*definition.node]
        for function in definition.library.function:
            nodes += function.node_def
        return {node.op for node in nodes}

    ours = {"Tfmask>DeformColumns", "Tfmask>DeformColumnsGrad"}
    stock = {"CropAndResize", "CropAndResizeGradImage", "CropAndResizeGradBoxes"}
    assert ours <= operations() and not stock & operations()
    with _library.stock_ops():
        assert stock <= operations() and not ours & operations()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert stock <= operations() and not ours & operations()
