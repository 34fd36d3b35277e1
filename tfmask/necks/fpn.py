"""Feature pyramid network (Lin et al. 2017)."""

import keras

from tfmask.layers.pyramid import TopDownNeck


@keras.saving.register_keras_serializable(package="tfmask")
class FPN(TopDownNeck):
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
        super().__init__(
            channels, levels=levels, norm=norm, initializer=initializer, **kwargs
        )

    def call(self, inputs, training=None):
        return self.named(self.pyramid(inputs, training))
