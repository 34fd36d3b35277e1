import json

import keras
import pytest

from tfmask.layers.loss_weights import LossWeights
from tfmask.layers.naming import named_weights


def test_terms_weigh_one_until_they_are_set():
    weights = LossWeights(("mask", "box_class"))
    assert {k: float(v) for k, v in weights.get().items()} == {
        "mask": 1.0,
        "box_class": 1.0,
    }
    weights.set("mask", 0.25)
    assert float(weights.get()["mask"]) == 0.25
    assert float(weights.get()["box_class"]) == 1.0


def test_an_unknown_term_is_one_clear_error():
    with pytest.raises(KeyError, match="maks: no such loss term; this model has mask"):
        LossWeights(("mask",)).set("maks", 1.0)


def test_weights_are_state_that_is_not_trained():
    weights = LossWeights(("mask", "box_class"), dtype="mixed_bfloat16")
    assert list(named_weights(weights)) == ["mask", "box_class"]
    assert not weights.trainable_weights
    assert all(weight.dtype == "float32" for weight in weights.weights)


def test_configuration_survives_json():
    text = json.dumps(keras.saving.serialize_keras_object(LossWeights(("a", "b"))))
    twin = keras.saving.deserialize_keras_object(json.loads(text))
    assert twin.names == ("a", "b") and list(twin.get()) == ["a", "b"]
