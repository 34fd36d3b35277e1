import keras
import pytest

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.naming import named_layers, named_weights


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


class Group(keras.layers.Layer):
    """Arranges two layers, and is not in the paths of their weights."""

    names_weights = False

    def __init__(self, first, second, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = first, second

    def build(self, input_shape):
        for layer in (self.first, self.second):
            if not layer.built:
                layer.build((None, None, None, 3))
        self.built = True


def test_layers_have_the_paths_of_their_weights():
    one, two, three = (
        ConvNorm(2, 1, norm=norm, name=name)
        for name, norm in (("one", "none"), ("two", "bn"), ("three", "none"))
    )
    group = Group(one, Group(two, three, name="inner"), name="outer")
    group.build(None)
    layers = named_layers(group)
    assert list(layers) == ["one", "two", "two/norm", "three"]
    assert layers["one"] is one and layers["two"] is two
    for path in named_weights(group):
        assert path.rpartition("/")[0] in layers


def test_a_layer_that_two_parts_share_is_named_by_the_first():
    one, shared = ConvNorm(2, 1, name="one"), ConvNorm(2, 1, name="shared")
    outer = Group(Group(one, shared, name="inner"), shared, name="outer")
    outer.build(None)
    assert list(named_weights(outer)) == [
        "one/kernel",
        "one/bias",
        "shared/kernel",
        "shared/bias",
    ]
    assert list(named_layers(outer)) == ["one", "shared"]
