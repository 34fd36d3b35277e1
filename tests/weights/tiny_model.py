"""A model of a few layers whose heads say of themselves what real ones say."""

import keras
import numpy as np

from tfmask.layers.loss_weights import LossWeights
from tfmask.layers.naming import named_weights
from tfmask.structures import ClassMap

CLASSES = ClassMap((3, 7, 20), ("round", "square", "star"))
OTHERS = ClassMap((1, 2, 3), ("cat", "dog", "cow"))
WIDTH = 4


class Head(keras.layers.Layer):
    """A hidden layer, one with a channel for each class, and deltas for none."""

    class_layers = ("class_logits",)
    training_only = False

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(WIDTH, name="hidden")
        self.class_logits = keras.layers.Dense(classes, name="class_logits")
        self.deltas = keras.layers.Dense(WIDTH, name="deltas")

    def build(self, input_shape):
        for layer in (self.hidden, self.class_logits, self.deltas):
            layer.build((None, WIDTH))
        self.built = True

    def call(self, x):
        x = self.hidden(x)
        return self.class_logits(x), self.deltas(x)


class Helper(Head):
    """A head that only training runs."""

    training_only = True


class Branch(keras.layers.Layer):
    """Arranges a head, and is not in the paths of its weights."""

    names_weights = False

    def __init__(self, head, **kwargs):
        super().__init__(**kwargs)
        self.head = head

    def build(self, input_shape):
        self.head.build(input_shape)
        self.built = True


class TinyModel(keras.Model):
    """A convolution and two heads; `helper`: and one for training alone."""

    def __init__(self, classes=3, helper=False, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(WIDTH, 3, name="conv")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.branch = Branch(Head(classes, name="box_head"), name="branch")
        self.helper = Helper(classes, name="helper") if helper else None
        self.loss_weights = LossWeights(("box", "mask"), name="loss_weights")
        self.conv.build((None, None, None, 3))
        self.norm.build((None, None, None, WIDTH))
        self.branch.build((None, WIDTH))
        if helper:
            self.helper.build((None, WIDTH))
        self.built = True


def tiny_model(seed=0, **options) -> TinyModel:
    """A built model whose every weight follows from the seed."""
    model = TinyModel(**options)
    rng = np.random.default_rng(seed)
    for path, variable in named_weights(model).items():
        if not path.startswith("loss_weights/"):
            variable.assign(rng.uniform(0.1, 1.0, variable.shape))
    return model


def values_of(model) -> dict[str, np.ndarray]:
    """Path -> copy of each weight."""
    return {
        path: np.asarray(value).copy() for path, value in named_weights(model).items()
    }


def assert_equal(first, second, but=()):
    """The weights of two models are equal, but for paths that start so."""
    first, second = values_of(first), values_of(second)
    for path in first:
        if not path.startswith(tuple(but)):
            np.testing.assert_array_equal(first[path], second[path], err_msg=path)
