import keras
import pytest

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.naming import named_weights


class Pair(keras.layers.Layer):
    """A layer with sublayers in a list and in a dict."""

    def __init__(self, names):
        super().__init__()
        self.listed = [ConvNorm(2, 1, name=names[0])]
        self.mapped = {"a": ConvNorm(2, 1, norm="frozen_bn", name=names[1])}

    def build(self, input_shape):
        self.listed[0].build((None, None, None, 3))
        self.mapped["a"].build((None, None, None, 3))
        self.built = True


def test_paths_are_layer_names_and_weight_names():
    pair = Pair(["one", "two"])
    pair.build(None)
    assert sorted(named_weights(pair)) == [
        "one/bias",
        "one/kernel",
        "two/kernel",
        "two/norm/beta",
        "two/norm/gamma",
        "two/norm/moving_mean",
        "two/norm/moving_variance",
    ]


def test_two_weights_of_one_name_are_refused():
    pair = Pair(["one", "one"])
    pair.build(None)
    with pytest.raises(ValueError, match="one/kernel"):
        named_weights(pair)
