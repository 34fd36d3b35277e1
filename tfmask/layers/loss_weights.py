"""The weight of each loss term, as state of the model."""

from collections.abc import Iterable

import keras
import tensorflow as tf

from tfmask.layers.part import Part


@keras.saving.register_keras_serializable(package="tfmask")
class LossWeights(Part):
    """One non-trained scalar for each loss term, all 1 at first.

    They are weights of the model, so that checkpoints hold them and a callback can set
    them while a compiled training step runs.

    Args:
      names: the loss terms.

    It is not called: the weights exist as soon as it is made, for `get` and `set`.
    """

    def __init__(self, names: Iterable[str], **kwargs):
        super().__init__(**kwargs)
        self.names = tuple(names)
        self._terms = [
            self.add_weight(
                name=name,
                shape=(),
                initializer="ones",
                dtype="float32",  # as losses are, whatever the model computes in
                trainable=False,
            )
            for name in self.names
        ]
        self.built = True

    def set(self, name: str, value: float) -> None:
        """Sets the weight of a term.

        Raises:
          KeyError: there is no such term; the message lists them.
        """
        if name not in self.names:
            known = ", ".join(self.names)
            raise KeyError(f"{name}: no such loss term; this model has {known}")
        self._terms[self.names.index(name)].assign(value)

    def get(self) -> dict[str, tf.Tensor]:
        """Term -> scalar float32 tensor."""
        return {
            name: tf.convert_to_tensor(term)
            for name, term in zip(self.names, self._terms)
        }
