"""Feature pyramid with the bottom-up path of PANet (Liu et al. 2018)."""

import keras

from tfmask.layers.pyramid import TopDownNeck


@keras.saving.register_keras_serializable(package="tfmask")
class PANet(TopDownNeck):
    """FPN, then a path from the finest level to the coarsest (PANet sec. 3.1).

        N of the finest = P;  N = conv(down(N of the finer) + P)

    Both convolutions are 3x3 with a ReLU, `down` with stride 2; each level has its own.
    The paper's ReLU is in the release with group normalisation alone.

    Args:
      channels: of every output; with `gn` a multiple of 32.
      levels: of the backbone, fine to coarse; none between them is left out.
      norm: `none`, `frozen_bn`, `bn`, `sync_bn` or `gn` after every convolution. Those
        of the bottom-up path keep their bias, as in the release.
      initializer: a word of `layers.initializers.of_convolution`.

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
        super().__init__(
            channels, levels=levels, norm=norm, initializer=initializer, **kwargs
        )
        options = dict(
            norm=norm, initializer=initializer, use_bias=True, activation="relu"
        )
        self.downs = [
            self.convolution(f"bottom_up_down{i}", strides=2, **options)
            for i in self.numbers[1:]
        ]
        self.fusions = [
            self.convolution(f"bottom_up_output{i}", **options)
            for i in self.numbers[1:]
        ]

    def build(self, input_shape):
        super().build(input_shape)
        for conv in (*self.downs, *self.fusions):
            conv.build((None, None, None, self.channels))

    def call(self, inputs, training=None):
        levels = self.pyramid(inputs, training)
        outputs = levels[:1]
        for level, down, fusion in zip(levels[1:], self.downs, self.fusions):
            lower = down(outputs[-1], training=training)
            outputs.append(fusion(lower + level, training=training))
        return self.named(outputs)
