"""Feature pyramid network (Lin et al. 2017)."""

import keras

from tfmask.layers.pyramid import PyramidNeck, top_down


@keras.saving.register_keras_serializable(package="tfmask")
class FPN(PyramidNeck):
    """Top-down pathway with lateral connections (FPN sec. 3).

    Args:
      channels: of every output.
      levels: of the backbone, fine to coarse; none between them is left out.
      norm: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn` after every convolution.
      initializer: `xavier` (Detectron2, maskrcnn-benchmark), `variance_scaling`
        (Tensorpack), or another word of `layers.initializers.of_convolution`.

    Call input: dict of the backbone's levels, `c2`..`c5`. Returns a dict with a level
    `p2`..`p5` for each of them and one that is coarser, `p6`: level i is
    `[B, H/2^i, W/2^i, channels]` in the layer's compute type; the coarsest is every
    second cell of the one before.

    Raises:
      ValueError: an unknown norm or initializer; levels out of order.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        levels: tuple[str, ...] = ("c2", "c3", "c4", "c5"),
        norm: str = "none",
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.levels = tuple(levels)
        self.norm = norm
        self.initializer = initializer
        options = dict(norm=norm, initializer=initializer)
        self.laterals = [
            self.convolution(f"fpn_lateral{i}", 1, **options) for i in self.numbers
        ]
        self.output_convs = [
            self.convolution(f"fpn_output{i}", **options) for i in self.numbers
        ]

    def build(self, input_shape):
        for name, lateral in zip(self.levels, self.laterals):
            lateral.build(tuple(input_shape[name]))
        for conv in self.output_convs:
            conv.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs, training=None):
        return self.named(self.pyramid(inputs, training))

    def pyramid(self, inputs, training) -> list:
        """The levels that the top-down pathway makes, fine to coarse."""
        laterals = [
            lateral(inputs[name], training=training)
            for name, lateral in zip(self.levels, self.laterals)
        ]
        return [
            conv(inner, training=training)
            for conv, inner in zip(self.output_convs, top_down(laterals))
        ]
