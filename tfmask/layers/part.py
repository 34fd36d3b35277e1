"""What the layers of this package share: a configuration that is their constructor."""

import dataclasses
import inspect

import keras
import tensorflow as tf


def one_of(name: str, value, known) -> None:
    """Refuses a word that a layer does not know.

    Raises:
      ValueError: `value` is not among `known`; the message lists them.
    """
    if value not in known:
        words = ", ".join(repr(word) for word in known)
        raise ValueError(f"{name}={value!r}: expected one of {words}")


class Part(keras.layers.Layer):
    """A Keras layer whose configuration is the arguments of its constructor.

    A subclass keeps every argument of its constructor as an attribute of the same name,
    with an underscore after it where a method has that name; `get_config` and
    `from_config` follow from that, so that a setting is not written again in either.
    Arguments are numbers, words, None, tuples and dicts of them, Keras initializers,
    layers, and `Rule`s. A layer that is an argument is built by the part that holds it,
    and sublayers get `dtype=self.dtype_policy`.

    Attributes:
      names_weights: whether the layer's name is part of the paths of the weights below
        it, see `layers.naming`. Off in what only arranges other layers.
      class_layers: names of the sublayers that another number, or another list, of
        classes resets.
      training_only: whether inference does without the layer.
      output_dtype: type of the outputs where it is not that of the computation.
    """

    names_weights = True
    class_layers: tuple[str, ...] = ()
    training_only = False
    output_dtype: str | None = None

    def get_config(self):
        own = {name: serialize(self._argument(name)) for name in arguments(type(self))}
        return {**super().get_config(), **own}

    def _argument(self, name):
        method = callable(getattr(type(self), name, None))
        return getattr(self, f"{name}_" if method else name)

    def compute_output_spec(self, *args, **kwargs):
        # Keras 3 calls it for a symbolic output; from compute_output_shape it would
        # give every output the type of the computation.
        spec = super().compute_output_spec(*args, **kwargs)
        if self.output_dtype is None:
            return spec
        return tf.nest.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, self.output_dtype), spec
        )

    @classmethod
    def from_config(cls, config):
        own = arguments(cls)
        return super().from_config(
            {k: deserialize(v) if k in own else v for k, v in config.items()}
        )


# Keras 3 and Keras 2.15 name it differently.
_ADD_WEIGHT = inspect.signature(keras.layers.Layer.add_weight).parameters
UNCAST = {"autocast" if "autocast" in _ADD_WEIGHT else "experimental_autocast": False}
"""Keyword of `add_weight` for a weight that is float32 under any policy."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """Settings of a stage that has no weights: a frozen dataclass that Keras can save.

    Subclasses are frozen dataclasses, registered with Keras as layers are.
    """

    def get_config(self):
        return {
            field.name: serialize(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{name: deserialize(value) for name, value in config.items()})


def arguments(cls: type) -> tuple[str, ...]:
    """Names of a layer class's constructor arguments, without those of Keras."""
    names: list[str] = []
    for base in cls.__mro__:
        if base in (Part, keras.Model, keras.layers.Layer):
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(
            inspect.signature(vars(base)["__init__"]).parameters.values()
        )[1:]
        handed_on = [
            p for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        names += [p.name for p in parameters if p not in handed_on]
        if not handed_on:
            break
    return tuple(dict.fromkeys(names))


def serialize(value):
    """A constructor argument as plain data, for JSON."""
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    if isinstance(value, keras.initializers.Initializer):
        return keras.initializers.serialize(value)
    if hasattr(value, "get_config"):
        config = keras.saving.serialize_keras_object(value)
        # The part that holds a layer builds it. Built by itself before, it would get
        # its weights twice.
        config.pop("build_config", None)
        return config
    return value


def deserialize(value):
    """The inverse of `serialize`; lists become tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(deserialize(item) for item in value)
    if isinstance(value, dict):
        if {"class_name", "config"} <= set(value):
            return keras.saving.deserialize_keras_object(value)
        return {key: deserialize(item) for key, item in value.items()}
    return value
