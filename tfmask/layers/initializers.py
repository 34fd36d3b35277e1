"""Initial values of convolutions and dense layers, by the words that layers take."""

import math

import keras

from tfmask.layers.part import one_of

TORCH = "torch"


def msra() -> keras.initializers.Initializer:
    """He et al. 2015: normal with variance 2 / fan_out, not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def xavier() -> keras.initializers.Initializer:
    """Uniform with bound sqrt(3 / fan_in).

    Caffe2's Xavier fill, and PyTorch's Kaiming uniform with a = 1.
    """
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")


def variance_scaling() -> keras.initializers.Initializer:
    """Truncated normal with variance 1 / fan_in, Tensorpack's choice."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")


def kaiming_normal() -> keras.initializers.Initializer:
    """Normal with variance 1 / fan_in: PyTorch's Kaiming normal with a = 1."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal")


def normal(deviation: float) -> keras.initializers.Initializer:
    """Normal with mean 0."""
    return keras.initializers.RandomNormal(stddev=deviation)


def torch_kernel() -> keras.initializers.Initializer:
    """PyTorch's default, Kaiming uniform with a = sqrt(5): bound 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")


def torch_bias(fan_in: int) -> keras.initializers.Initializer:
    """PyTorch's default of a bias: uniform within the bound of its kernel."""
    bound = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)


_DENSE = {
    "xavier": xavier,
    "variance_scaling": variance_scaling,
    "msra": msra,
    "normal": lambda: normal(0.01),
}
_CONVOLUTIONS = {**_DENSE, "kaiming_normal": kaiming_normal, TORCH: torch_kernel}
_MASK_PREDICTORS = {"normal": lambda: normal(0.001), "msra": msra}


def of_dense(word: str) -> keras.initializers.Initializer:
    """Of the kernel of a hidden dense layer, whose bias begins at zero.

    Args:
      word: `xavier`, `variance_scaling`, `msra` or `normal` N(0, 0.01).

    Raises:
      ValueError: another word.
    """
    one_of("initializer", word, _DENSE)
    return _DENSE[word]()


def of_convolution(word: str) -> dict:
    """Keywords of a hidden ConvNorm, `kernel_initializer` and `bias_initializer`.

    Args:
      word: one of `of_dense` or `kaiming_normal`, whose bias begins at zero, or
        `torch`, PyTorch's default of kernel and bias.

    Raises:
      ValueError: another word.
    """
    one_of("initializer", word, _CONVOLUTIONS)
    bias = TORCH if word == TORCH else "zeros"
    return {"kernel_initializer": _CONVOLUTIONS[word](), "bias_initializer": bias}


def of_mask_predictor(word: str) -> keras.initializers.Initializer:
    """Of the kernel of the 1x1 predictor of masks: `normal` N(0, 0.001) or `msra`.

    Raises:
      ValueError: another word.
    """
    one_of("predictor_initializer", word, _MASK_PREDICTORS)
    return _MASK_PREDICTORS[word]()
