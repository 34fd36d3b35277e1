import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.frozen_batch_norm import FrozenBatchNorm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 9, 8, 32)).astype(np.float32)


@pytest.mark.parametrize(
    "norm,count", [("none", 2), ("frozen_bn", 1), ("bn", 3), ("gn", 3)]
)
def test_every_norm_passes_the_layer_checks(norm, count):
    options = {"filters": 32, "norm": norm, "strides": 2, "activation": "relu"}
    run_layer_checks(ConvNorm, options, X, count, [(2, 5, 4, 32)])


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_padding_is_symmetric(kernel, strides):
    layer = ConvNorm(4, kernel, strides=strides)
    layer.build((None, None, None, 32))
    pad = (kernel - 1) // 2
    padded = np.pad(X, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    expected = tf.nn.conv2d(padded, layer.kernel, strides, "VALID")
    np.testing.assert_allclose(layer(X), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_bordered_input_gets_no_border(kernel, strides):
    layer = ConvNorm(4, kernel, strides=strides)
    layer.build((None, None, None, 32))
    pad = (kernel - 1) // 2
    padded = np.pad(X, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    np.testing.assert_allclose(
        layer(padded, bordered=True), layer(X), rtol=1e-3, atol=1e-4
    )


def test_groups_read_their_own_channels():
    layer = ConvNorm(6, groups=2, bias_initializer="torch")
    layer.build(X.shape)
    assert layer.kernel.shape == (3, 3, 16, 6)
    changed = X.copy()
    changed[..., :16] += 1.0
    same = np.isclose(layer(changed), layer(X), atol=1e-5).all((0, 1, 2))
    np.testing.assert_array_equal(same, [False] * 3 + [True] * 3)
    assert np.abs(layer.bias).max() <= 1 / np.sqrt(9 * 16)
    for groups, filters in ((3, 6), (4, 6)):
        with pytest.raises(ValueError, match=f"groups={groups}: expected a divisor"):
            ConvNorm(filters, groups=groups).build(X.shape)


def test_bias_of_pytorch_is_within_the_bound_of_its_kernel():
    layer = ConvNorm(512, 3, bias_initializer="torch")
    layer.build((None, None, None, 4))
    bound = 1 / np.sqrt(9 * 4)
    assert 0.95 * bound < np.abs(layer.bias).max() <= bound
    assert np.std(layer.bias) == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="kernel_size=4: expected an odd side"):
        ConvNorm(8, 4)


def test_folded_frozen_norm_equals_the_separate_one():
    layer = ConvNorm(16, norm="frozen_bn", train_affine=True)
    layer.build((None, None, None, 32))
    for weight in layer.norm_layer.weights:
        weight.assign(RNG.uniform(0.5, 1.5, 16))
    plain = tf.nn.conv2d(X, layer.kernel, 1, "SAME")
    np.testing.assert_allclose(layer(X), layer.norm_layer(plain), rtol=1e-4, atol=1e-4)


def test_frozen_norm_trains_its_scale_only_when_asked():
    for train, count in ((False, 0), (True, 2)):
        layer = FrozenBatchNorm(train_affine=train)
        layer.build((None, 8))
        assert len(layer.trainable_weights) == count


def test_frozen_norm_is_the_formula():
    layer = FrozenBatchNorm(epsilon=0.5)
    layer.build((None, 1))
    for weight, value in zip(layer.weights, (3.0, 1.0, 2.0, 3.5)):
        weight.assign([value])
    names = [w.name.split("/")[-1].split(":")[0] for w in layer.weights]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert float(layer(np.array([[10.0]], np.float32))[0, 0]) == pytest.approx(13.0)


@pytest.mark.parametrize("own", [True, False], ids=["alone", "in a layer"])
def test_frozen_statistics_are_read_in_float32_under_a_policy(own):
    """Rounded to bfloat16, a variance of 1.003 would be 1."""
    layer = ConvNorm(2, 1, norm="frozen_bn", dtype="mixed_bfloat16")
    layer.build((None, 4, 4, 3))
    variance = layer.norm_layer.moving_variance
    variance.assign([1.003, 1.003])

    class Holder(keras.layers.Layer):
        def call(self, inputs):
            return layer.norm_layer.scale_and_offset()[0]

    x = tf.zeros([1, 4, 4, 3])
    scale = None
    if own:
        read = layer.norm_layer.scale_and_offset

        def keep(*dtype):
            nonlocal scale
            scale = read()[0]
            return read(*dtype)

        layer.norm_layer.scale_and_offset = keep
        layer(x)
    else:
        scale = Holder(dtype="mixed_bfloat16")(x)
    np.testing.assert_allclose(
        np.asarray(scale, np.float32), (1.003 + 1e-5) ** -0.5, rtol=1e-5
    )
