import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops import grouped_conv

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def gradients(convolve, x, kernel, upstream):
    x, kernel = tf.convert_to_tensor(x), tf.convert_to_tensor(kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        result = convolve(x, kernel)
    return [result, *tape.gradient(result, [x, kernel], upstream)]


def by_groups(x, kernel, strides):
    """Each group's channels with its filters, in NumPy float64, padding 1."""
    x = np.pad(x.astype(np.float64), [[0, 0], [1, 1], [1, 1], [0, 0]])
    batch, height, width, channels = x.shape
    depth, filters = kernel.shape[2:]
    groups = channels // depth
    rows, columns = (height - 3) // strides + 1, (width - 3) // strides + 1
    result = np.zeros((batch, rows, columns, groups, filters // groups))
    grouped = kernel.reshape(3, 3, depth, groups, -1)
    for i, j in np.ndindex(rows, columns):
        window = x[:, i * strides :, j * strides :][:, :3, :3]
        window = window.reshape(batch, 3, 3, groups, depth)
        result[:, i, j] = np.einsum("bhwgc,hwcgf->bgf", window, grouped)
    return result.reshape(batch, rows, columns, filters)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("strides", [1, 2])
def test_groups_read_their_own_channels(split, strides, monkeypatch):
    if split:
        monkeypatch.setattr(grouped_conv, "_differentiable", lambda dtype: False)
    x, kernel = normal(2, 5, 6, 8), normal(3, 3, 2, 12)
    padded = np.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    result = grouped_conv.conv2d(tf.constant(padded), kernel, strides, "VALID")
    np.testing.assert_allclose(result, by_groups(x, kernel, strides), atol=1e-4)


def test_both_ways_have_the_same_gradients(monkeypatch):
    x, kernel, upstream = normal(2, 7, 6, 8), normal(3, 3, 4, 6), normal(2, 7, 6, 6)

    def convolve(x, kernel):
        return grouped_conv.conv2d(x, kernel, 1, "SAME")

    native = gradients(convolve, x, kernel, upstream)
    monkeypatch.setattr(grouped_conv, "_differentiable", lambda dtype: False)
    split = gradients(convolve, x, kernel, upstream)
    for one, other in zip(native, split):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "float32"])
def test_every_type_has_gradients_in_a_graph(dtype):
    x, kernel = (
        tf.cast(normal(*shape), dtype) for shape in ((1, 4, 4, 8), (3, 3, 2, 8))
    )

    def convolve(x, kernel):
        return grouped_conv.conv2d(x, kernel, 1, "SAME")

    graph = tf.function(lambda x, kernel: gradients(convolve, x, kernel, x))
    for value in graph(x, kernel):
        assert value.dtype == dtype
        assert np.isfinite(tf.cast(value, tf.float32)).all()


@pytest.mark.slow
def test_without_onednn_there_are_gradients_too():
    program = """
        import tensorflow as tf
        from tfmask.ops import grouped_conv
        x, kernel = tf.ones([1, 4, 4, 8]), tf.ones([3, 3, 2, 8])
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = grouped_conv.conv2d(x, kernel, 1, "SAME")
        print(float(tf.reduce_sum(tape.gradient(y, kernel))))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Each tap of a kernel of ones sees 16 cells, less those beyond the border.
    assert float(done.stdout) == 2 * 8 * (16 + 4 * 12 + 4 * 9)
