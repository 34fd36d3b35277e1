import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers import initializers

SHAPE = (3, 3, 64, 128)  # fan in 576, fan out 1152


def drawn(initializer, shape=SHAPE):
    return tf.convert_to_tensor(initializer(shape)).numpy()


@pytest.mark.parametrize(
    "word, variance, bound",
    [
        ("xavier", 1 / 576, np.sqrt(3 / 576)),
        ("variance_scaling", 1 / 576, 2.2741 / np.sqrt(576)),
        ("msra", 2 / 1152, np.inf),
        ("normal", 1e-4, np.inf),
        ("torch", 1 / (3 * 576), 1 / np.sqrt(576)),
    ],
)
def test_words_of_convolutions_are_the_published_distributions(word, variance, bound):
    values = drawn(initializers.of_convolution(word)["kernel_initializer"])
    assert np.var(values) == pytest.approx(variance, rel=0.03)
    if bound < np.inf:
        assert 0.99 * bound < np.abs(values).max() <= 1.001 * bound
    else:
        # Not truncated: of 73,728 values a few lie beyond four deviations.
        assert np.abs(values).max() > 4 * np.sqrt(variance)


def test_biases_begin_at_zero_but_those_of_pytorch():
    for word in ("xavier", "variance_scaling", "msra", "normal"):
        assert initializers.of_convolution(word)["bias_initializer"] == "zeros"
        assert np.std(drawn(initializers.of_dense(word), (64, 64))) > 0
    assert initializers.of_convolution("torch")["bias_initializer"] == "torch"
    values = drawn(initializers.torch_bias(576), (4096,))
    assert 0.99 / 24 < np.abs(values).max() <= 1 / 24


def test_mask_predictors_start_small_or_as_msra():
    shape = (1, 1, 256, 80)
    for word, variance in (("normal", 1e-6), ("msra", 2 / 80)):
        values = drawn(initializers.of_mask_predictor(word), shape)
        assert np.var(values) == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize(
    "lookup, word",
    [
        (initializers.of_convolution, "kaiming"),
        (initializers.of_dense, "torch"),
        (initializers.of_mask_predictor, "xavier"),
    ],
)
def test_other_words_are_refused(lookup, word):
    with pytest.raises(ValueError, match=f"initializer='{word}': expected one of 'n|x"):
        lookup(word)
