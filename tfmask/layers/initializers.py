"""Initial values of convolutions and dense layers, by the words that layers take."""

import math
from collections.abc import Callable, Mapping

import keras

from tfmask.layers.part import one_of


def msra() -> keras.initializers.Initializer:
    """He et al. 2015: normal with variance 2 / fan_out, not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def normal(stddev: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev)


# Words of hidden layers, and of the RPN.
KERNELS: Mapping[str, Callable[[], keras.initializers.Initializer]] = {
    # Uniform with bound sqrt(3 / fan_in): Caffe2's Xavier fill, and PyTorch's Kaiming
    # uniform with a = 1.
    "xavier": lambda: keras.initializers.VarianceScaling(1.0, "fan_in", "uniform"),
    "variance_scaling": lambda: keras.initializers.VarianceScaling(
        1.0, "fan_in", "truncated_normal"
    ),
    "msra": msra,
    "normal": lambda: normal(0.01),
    # PyTorch's default, Kaiming uniform with a = sqrt(5): bound 1 / sqrt(fan_in).
    "torch": lambda: keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
}
# Words of the 1x1 predictor of masks.
PREDICTORS = {"normal": lambda: normal(0.001), "msra": msra}


def kernel(word: str) -> keras.initializers.Initializer:
    """Of a convolution or dense layer.

    Args:
      word: `xavier`, `variance_scaling`, `msra`, `normal` N(0, 0.01) or `torch`; see
        `KERNELS`. Biases begin at zero, but with `torch`: see `torch_bias`.

    Raises:
      ValueError: another word.
    """
    one_of("initializer", word, KERNELS)
    return KERNELS[word]()


def mask_predictor(word: str) -> keras.initializers.Initializer:
    """Of the 1x1 predictor of masks: `normal` N(0, 0.001) or `msra`.

    Raises:
      ValueError: another word.
    """
    one_of("predictor_initializer", word, PREDICTORS)
    return PREDICTORS[word]()


def torch_bias(fan_in: int) -> keras.initializers.Initializer:
    """PyTorch's default for a bias: uniform with the bound of its kernel."""
    bound = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)
