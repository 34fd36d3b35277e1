"""The contract of backbones.

A backbone is a Keras layer that says in `output_spec` which feature maps it gives, with
the channels and the stride of each; its `call` takes the normalised image and returns a
dict of them by name.
"""

from collections.abc import Iterable

from tfmask.layers.part import Part
from tfmask.structures import FeatureSpec


class Trunk(Part):
    """Base of backbones. A subclass has `output_spec` and `freeze_at`."""

    freeze_at: int

    @property
    def output_spec(self) -> dict[str, FeatureSpec]:
        """Channels and stride of every feature map that it gives."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        return {
            name: (
                batch,
                *(s if s is None else -(-s // spec.stride) for s in sides),
                spec.channels,
            )
            for name, spec in self.output_spec.items()
        }

    def freeze(self, groups: Iterable[list]) -> None:
        """Makes the layers of the first `freeze_at` groups not trainable."""
        for group in list(groups)[: self.freeze_at]:
            for layer in group:
                layer.trainable = False
