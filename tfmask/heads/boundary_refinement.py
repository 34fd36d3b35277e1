"""Residual refinement of mask logits."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.batch_norm import BatchNorm
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part, one_of
from tfmask.layers.rois import flatten_rois, restore_rois

# (initial slope, axes that share one) of the parametric ReLU.
_SLOPES = {"scalar": (0.001, (1, 2, 3)), "channel": (0.25, (1, 2))}


@keras.saving.register_keras_serializable(package="tfmask")
class BoundaryRefinement(Part):
    """Adds a learned correction to mask logits (MaskPlus sec. 3.3).

    `improved` is densely connected: each module sees the input and the outputs of all
    modules before it,

        batch norm, PReLU, convolution to `bottleneck` channels,
        batch norm, PReLU, 3x3 convolution to `growth` channels,

    and a last convolution turns the input and all outputs into the correction. The
    paper gives the modules and their widths, not the input, the kernels or the way
    back to classes; the defaults are those of DenseNet-B, on the logits. `original` is
    the block it improves on (Peng et al. 2017, "Large Kernel Matters", fig. 2C): two
    3x3 convolutions with a ReLU between.

    The last convolution begins at zero, so that training begins with the logits as they
    are. Statistics of batch norm are those of the rois of one replica in training, and
    moving ones at test. Everything is computed in float32.

    Args:
      num_classes: K, background not counted.
      kind: `improved` or `original`.
      source: what it reads: `logits`, or the `features` that the predictor reads.
      modules, growth, bottleneck: of `improved`.
      first_kernel: of the bottleneck convolution, 1 or 3.
      projection_kernel: of the last convolution of `improved`, 1 or 3.
      prelu: `scalar`: one slope per layer, 0.001 at first, as Tensorpack's;
        `channel`: one per channel, 0.25 at first.

    Call input: [logits `[..., T, T, K]`, features `[..., T, T, C]`]. `empty`, a scalar
    bool, says that the rows are no rois (rois.flatten_rois): the moving statistics then
    stay as they are. Returns logits `[..., T, T, K]` float32.

    Raises:
      ValueError: an unknown kind, source or prelu.
    """

    output_dtype = "float32"

    def __init__(
        self,
        num_classes: int,
        *,
        kind: str = "improved",
        source: str = "logits",
        modules: int = 4,
        growth: int = 4,
        bottleneck: int = 16,
        first_kernel: int = 1,
        projection_kernel: int = 1,
        prelu: str = "scalar",
        **kwargs,
    ):
        # Logits stay float32 whatever the features are computed in.
        super().__init__(autocast=False, **kwargs)
        one_of("kind", kind, ("improved", "original"))
        one_of("source", source, ("logits", "features"))
        one_of("prelu", prelu, _SLOPES)
        self.num_classes = num_classes
        self.kind = kind
        self.source = source
        self.modules = modules
        self.growth = growth
        self.bottleneck = bottleneck
        self.first_kernel = first_kernel
        self.projection_kernel = projection_kernel
        self.prelu = prelu
        # Two of each for each module, in the order in which they run.
        self.norms: list[keras.layers.Layer] = []
        self.slopes: list[keras.layers.Layer] = []
        self.convs: list[keras.layers.Layer] = []
        if kind == "original":
            self.convs = [self._conv(num_classes, 3, "conv1", activation="relu")]
        else:
            for i in range(1, modules + 1):
                self._add_step(f"module{i}_1", bottleneck, first_kernel)
                self._add_step(f"module{i}_2", growth, 3)
        self.projection = self._conv(
            num_classes,
            3 if kind == "original" else projection_kernel,
            "projection",
            kernel_initializer="zeros",
        )
        # What has a channel for each class, of its input or of its output.
        of_classes = [self.projection]
        if kind == "original":
            of_classes += self.convs
        elif source == "logits":
            of_classes += [*self.norms[::2], *self.convs[::2]]
            of_classes += self.slopes[::2] if prelu == "channel" else []
        self.class_layers = tuple(layer.name for layer in of_classes)

    def build(self, input_shape):
        logits, features = (tuple(shape) for shape in input_shape)
        width = logits[-1] if self.source == "logits" else features[-1]
        if self.kind == "original":
            self.convs[0].build((None, None, None, width))
            self.projection.build((None, None, None, self.num_classes))
        else:
            widths = []
            for _ in range(self.modules):
                widths += [width, self.bottleneck]
                width += self.growth
            for layers in (self.norms, self.slopes, self.convs):
                for layer, channels in zip(layers, widths):
                    layer.build((None, None, None, channels))
            self.projection.build((None, None, None, width))
        self.built = True

    def call(self, inputs, training=None, empty=None):
        logits, lead = flatten_rois(tf.cast(inputs[0], tf.float32))  # [M, T, T, K]
        x = logits
        if self.source == "features":
            x, _ = flatten_rois(tf.cast(inputs[1], tf.float32))  # [M, T, T, C]
        if self.kind == "original":
            x = self.convs[0](x)
        else:
            none = tf.equal(tf.reduce_prod(lead), 0)
            if empty is not None:
                none |= empty
            for i in range(0, 2 * self.modules, 2):
                y = self._step(i, x, training, none)
                y = self._step(i + 1, y, training, none)
                x = tf.concat([x, y], axis=-1)
        return restore_rois(logits + self.projection(x), lead)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def _step(self, i, x, training, empty):
        x = self.norms[i](x, training=training, empty=empty)
        return self.convs[i](self.slopes[i](x))

    def _add_step(self, name, filters, kernel_size):
        slope, shared_axes = _SLOPES[self.prelu]
        self.norms.append(
            BatchNorm(momentum=0.9, epsilon=1e-5, dtype="float32", name=f"{name}_norm")
        )
        self.slopes.append(
            keras.layers.PReLU(
                keras.initializers.Constant(slope),
                shared_axes=shared_axes,
                dtype="float32",
                name=f"{name}_prelu",
            )
        )
        self.convs.append(self._conv(filters, kernel_size, f"{name}_conv"))

    def _conv(self, filters, kernel_size, name, **options):
        options.setdefault("kernel_initializer", initializers.msra())
        return ConvNorm(filters, kernel_size, dtype="float32", name=name, **options)
