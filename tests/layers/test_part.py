"""The configuration of a layer is the arguments of its constructor."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.mask_head import MaskHead
from tfmask.layers.part import Part, Rule, arguments, one_of


@keras.saving.register_keras_serializable(package="tfmask_tests")
@dataclasses.dataclass(frozen=True)
class Choice(Rule):
    limit: float = 0.5
    sides: tuple[int, ...] = (1, 2)


@keras.saving.register_keras_serializable(package="tfmask_tests")
class Holder(Part):
    """Every kind of argument."""

    def __init__(self, conv, *, rule, start, widths, table, run=True, **kwargs):
        super().__init__(**kwargs)
        self.conv = conv
        self.rule = rule
        self.start = start
        self.widths = tuple(widths)
        self.table = dict(table)
        self.run_ = run

    def build(self, input_shape):
        if not self.conv.built:
            self.conv.build(input_shape)
        self.built = True

    def run(self, inputs):
        return self.conv(inputs) if self.run_ else inputs

    def call(self, inputs):
        return self.run(inputs)

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="tfmask_tests")
class Longer(Holder):
    output_dtype = "float32"

    def __init__(self, *args, more=3, **kwargs):
        super().__init__(*args, **kwargs)
        self.more = more

    def call(self, inputs):
        return tf.cast(super().call(inputs), tf.float32)


def holder(cls=Holder, **options):
    return cls(
        conv=ConvNorm(4, 1, name="inner"),
        rule=Choice(0.25, (3,)),
        start=initializers.msra(),
        widths=[1, 2, None],
        table={"a": (1, 2), "b": Choice()},
        **options,
    )


def through_json(layer):
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    return keras.saving.deserialize_keras_object(json.loads(text))


@pytest.mark.parametrize("built", [True, False])
def test_every_kind_of_argument_survives_json(built):
    layer = holder(run=False, name="held", dtype="mixed_bfloat16")
    if built:
        layer.build((None, 2, 2, 3))
    twin = through_json(layer)
    assert (twin.name, twin.compute_dtype) == ("held", "bfloat16")
    assert twin.rule == Choice(0.25, (3,))
    assert twin.widths == (1, 2, None)
    assert dict(twin.table) == {"a": (1, 2), "b": Choice()}
    assert twin.run_ is False
    assert isinstance(twin.conv, ConvNorm) and twin.conv.name == "inner"
    assert twin.start.get_config() == layer.start.get_config()


def test_a_layer_that_is_an_argument_gets_its_weights_once():
    layer = holder()
    x = np.ones((1, 2, 2, 3), np.float32)
    layer(x)
    twin = through_json(layer)
    twin(x)
    assert len(twin.weights) == len(layer.weights) == 2


def test_arguments_are_those_of_all_constructors():
    names = ("conv", "rule", "start", "widths", "table", "run")
    assert arguments(Holder) == names
    assert arguments(Longer) == ("more", *names)
    twin = through_json(holder(Longer, more=5))
    assert (twin.more, twin.widths) == (5, (1, 2, None))


def test_symbolic_outputs_have_the_type_that_the_layer_declares():
    x = keras.Input((2, 2, 3))
    low = {"dtype": "mixed_bfloat16"}
    assert holder(Longer, **low)(x).dtype == "float32"
    plain = holder(**low)
    plain.conv = ConvNorm(4, 1, **low)
    assert plain(x).dtype == "bfloat16"


def test_a_word_that_is_not_known_is_refused_with_those_that_are():
    one_of("norm", "bn", ("bn", None))
    with pytest.raises(ValueError, match="norm='gn': expected one of 'bn', None"):
        one_of("norm", "gn", ("bn", None))


def test_a_mask_head_is_trunk_predictor_and_size(tmp_path):
    @keras.saving.register_keras_serializable(package="tfmask_tests")
    class Pointwise(MaskHead):
        """The least that a mask head of one's own needs."""

        def __init__(self, num_classes, pool_size=4, **kwargs):
            super().__init__(**kwargs)
            self.num_classes = num_classes
            self.pool_size = pool_size
            self.background_channel = False
            self.predictor = ConvNorm(num_classes, 1, name="predictor")

        @property
        def mask_size(self):
            return self.pool_size

        def build(self, input_shape):
            self.predictor.build((None, None, None, input_shape["mask"][-1]))
            self.built = True

        def trunk(self, inputs):
            return inputs

    x = {"mask": keras.Input((None, 4, 4, 2), name="mask")}
    head = Pointwise(3)
    model = keras.Model(x, head(x))
    array = np.ones((2, 5, 4, 4, 2), np.float32)
    expected = model({"mask": array})["mask"]
    assert expected.shape == (2, 5, 4, 4, 3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again({"mask": array})["mask"], expected)
