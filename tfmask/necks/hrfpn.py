"""The neck of HRNet: all its resolutions as one map, pooled to a pyramid."""

import keras
import tensorflow as tf

from tfmask.layers.pyramid import PyramidNeck


@keras.saving.register_keras_serializable(package="tfmask")
class HRFPN(PyramidNeck):
    """Branches of a high-resolution network joined, then pooled (HRNetV2p).

    Sun et al. 2019, sec. 3: every branch brought to the finest resolution by bilinear
    interpolation, all concatenated, a 1x1 convolution; means of 2^i x 2^i cells, and a
    3x3 convolution for each level. There is no top-down pathway.

    Args:
      channels: of every output.
      levels: of the backbone, fine to coarse; none between them is left out.

    Call input: dict of the backbone's levels, `c2`..`c5`, whose sides are the finest's
    divided by 2, 4, 8. Returns a dict with a level `p2`..`p5` for each of them and one
    that is coarser, `p6`, in the layer's compute type: level i is `[B, H/2^i, W/2^i,
    channels]`, rounded down to whole groups of cells, but one cell at least.

    Raises:
      ValueError: levels out of order.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        levels: tuple[str, ...] = ("c2", "c3", "c4", "c5"),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.levels = tuple(levels)
        numbers = [name[1:] for name in self.output_spec]
        self.reduction = self.convolution("reduction", 1, initializer="kaiming_normal")
        self.output_convs = [
            self.convolution(f"fpn_output{i}", initializer="kaiming_normal")
            for i in numbers
        ]

    def build(self, input_shape):
        shapes = [tuple(input_shape[name]) for name in self.levels]
        width = sum(shape[-1] for shape in shapes)
        self.reduction.build((None, None, None, width))
        for conv in self.output_convs:
            conv.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs):
        finest = inputs[self.levels[0]]
        size = _sides(finest)
        branches = [finest] + [
            tf.cast(tf.image.resize(inputs[name], size), finest.dtype)
            for name in self.levels[1:]
        ]
        x = self.reduction(tf.concat(branches, axis=-1))
        outputs = []
        for conv in self.output_convs:
            outputs.append(conv(x))
            x = _half(x)
        return dict(zip(self.output_spec, outputs))

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = tuple(input_shape[self.levels[0]])
        shapes = {}
        for name in self.output_spec:
            shapes[name] = (batch, *sides, self.channels)
            sides = [s if s is None else max(s // 2, 1) for s in sides]
        return shapes


def _half(x):
    """Means of 2x2 cells; of a map of one cell, that cell."""
    missing = [
        max(2 - side, 0) if isinstance(side, int) else tf.maximum(2 - side, 0)
        for side in _sides(x)
    ]
    paddings = [[0, 0], *([0, after] for after in missing), [0, 0]]
    return tf.nn.avg_pool2d(tf.pad(x, paddings, "SYMMETRIC"), 2, 2, "VALID")


def _sides(x):
    """Height and width, each a number where it is known and a tensor elsewhere."""
    known, asked = x.shape[1:3], tf.shape(x)
    return [asked[i + 1] if side is None else side for i, side in enumerate(known)]
