"""Information-enhanced feature pyramid network of IEMask R-CNN."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.adaptive_fusion import AdaptiveFusion
from tfmask.layers.part import Part, one_of
from tfmask.layers.patch_conv import PatchConv
from tfmask.layers.pyramid import PyramidNeck, top_down
from tfmask.layers.squeeze_excitation import SqueezeExcitation


@keras.saving.register_keras_serializable(package="tfmask")
class GlobalInformation(Part):
    """One feature vector of the whole image (IEMask R-CNN sec. 3.2).

    Two 5x5 convolutions that stride and halve the channels, the mean over the map, and
    a 1x1 convolution. The release repeats the mean over the map before the last of
    them, which is the same with more work.

    Args:
      channels: of the result.

    Call input: `[B, H, W, C]`, the coarsest level. Returns `[B, 1, 1, channels]` in the
    layer's compute type.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape):
        width = input_shape[-1]
        self.conv1 = self._conv("conv1", width // 2, 5, 2)
        self.conv2 = self._conv("conv2", width // 4, 5, 2)
        self.project = self._conv("project", self.channels, 1, 1)
        self.conv1.build(tuple(input_shape))
        self.conv2.build((None, None, None, width // 2))
        self.project.build((None, 1, 1, width // 4))
        self.built = True

    def call(self, inputs):
        x = tf.cast(self.conv2(self.conv1(inputs)), tf.float32)
        return self.project(tf.reduce_mean(x, axis=[1, 2], keepdims=True))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, self.channels)

    def _conv(self, name, filters, kernel_size, strides):
        return PatchConv(
            filters,
            kernel_size,
            strides=strides,
            **initializers.of_convolution("torch"),
            dtype=self.dtype_policy,
            name=name,
        )


@keras.saving.register_keras_serializable(package="tfmask")
class IEFPN(PyramidNeck):
    """FPN with enhanced channels, global information and a bottom-up path.

    IEMask R-CNN secs. 3.1 to 3.3:

        each level but the finest -> channel enhancement (Eq. 1) -> lateral 1x1
        coarsest lateral + global information (Eq. 2) -> top-down path as in FPN -> P
        N of the finest = P (Eq. 9);  N = conv(fuse(down(N of the finer), P)) (Eq. 10)

    The convolutions of the bottom-up path and the fusion are the same layers at every
    level. The defaults are the release, but for the convolution of Eq. 12, which the
    release defines and never calls: with it, the cost is what the paper prints.

    Args:
      channels: of every output, a multiple of 32.
      levels: of the backbone, fine to coarse; none between them is left out.
      channel_enhancement: channels of the coarser levels are weighted.
      global_information: the coarsest lateral gets global information.
      bottom_up: the bottom-up path; without it the outputs are P, and its switches
        have no effect: all that follow but `global_fusion`.
      adaptive_fusion: weights of each cell (Eqs. 10, 11), else a plain sum.
      global_fusion: `concat`: global information beside the lateral, then a 3x3
        convolution (as released); `add`: the sum (Eq. 2).
      convolve_p2: N of the finest level is a 3x3 convolution of P (Eq. 9), where the
        release has P itself.
      convolve_before_fusion: the convolution of Eq. 12: the weights are decided by it,
        not by P itself as released.
      fuse_convolved: what it gives is fused as well, where Eq. 10 has P itself.

    Call input: dict of the backbone's levels, `c2`..`c5`. Returns a dict with a level
    `p2`..`p5` for each of them and one that is coarser, `p6`: level i is
    `[B, H/2^i, W/2^i, channels]` in the layer's compute type; the coarsest is every
    second cell of the one before.

    Raises:
      ValueError: an unknown word; levels out of order; `fuse_convolved` without the
        convolution.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        levels: tuple[str, ...] = ("c2", "c3", "c4", "c5"),
        channel_enhancement: bool = True,
        global_information: bool = True,
        bottom_up: bool = True,
        adaptive_fusion: bool = True,
        global_fusion: str = "concat",
        convolve_p2: bool = False,
        convolve_before_fusion: bool = True,
        fuse_convolved: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("global_fusion", global_fusion, ("concat", "add"))
        if fuse_convolved and not convolve_before_fusion:
            raise ValueError(
                "fuse_convolved=True with convolve_before_fusion=False: expected the "
                "convolution whose result is fused"
            )
        self.channels = channels
        self.levels = tuple(levels)
        self.channel_enhancement = channel_enhancement
        self.global_information = global_information
        self.bottom_up = bottom_up
        self.adaptive_fusion = adaptive_fusion
        self.global_fusion = global_fusion
        self.convolve_p2 = convolve_p2
        self.convolve_before_fusion = convolve_before_fusion
        self.fuse_convolved = fuse_convolved
        self._add_top_down()
        self._add_bottom_up()

    def _add_top_down(self):
        policy = self.dtype_policy
        self.enhancers = [
            SqueezeExcitation(dtype=policy, name=f"channel_enhancement{i}")
            for i in (self.numbers[1:] if self.channel_enhancement else ())
        ]
        self.laterals = [
            self.convolution(f"fpn_lateral{i}", 1, initializer="torch")
            for i in self.numbers
        ]
        self.output_convs = [
            self.convolution(f"fpn_output{i}", initializer="xavier")
            for i in self.numbers
        ]
        self.scene, self.scene_fusion = None, None
        if self.global_information:
            self.scene = GlobalInformation(
                self.channels, dtype=policy, name="global_information"
            )
            if self.global_fusion == "concat":
                self.scene_fusion = self._conv("global_fusion")

    def _add_bottom_up(self):
        self.first, self.down, self.smooth = None, None, None
        self.level, self.fusion = None, None
        if not self.bottom_up:
            return
        self.down = self._conv("bottom_up_down", strides=2)
        self.smooth = self._conv("bottom_up_output")
        if self.convolve_p2:
            self.first = self._conv("bottom_up_first")
        if self.adaptive_fusion:
            self.fusion = AdaptiveFusion(
                dtype=self.dtype_policy, name="adaptive_fusion"
            )
            if self.convolve_before_fusion:
                self.level = self._conv(
                    "bottom_up_level", use_bias=True, norm="gn", activation="relu"
                )

    def build(self, input_shape):
        shapes = [tuple(input_shape[name]) for name in self.levels]
        for shape, enhancer in zip(shapes[1:], self.enhancers):
            enhancer.build(shape)
        for shape, lateral in zip(shapes, self.laterals):
            lateral.build(shape)
        inner = (None, None, None, self.channels)
        if self.scene is not None:
            self.scene.build(shapes[-1])
        if self.scene_fusion is not None:
            self.scene_fusion.build((*inner[:3], 2 * self.channels))
        if self.fusion is not None:
            self.fusion.build([inner] * 3)
        single = (self.first, self.down, self.smooth, self.level)
        for conv in (*self.output_convs, *single):
            if conv is not None:
                conv.build(inner)
        self.built = True

    def call(self, inputs):
        laterals = top_down(self._laterals([inputs[name] for name in self.levels]))
        outputs = [conv(x) for conv, x in zip(self.output_convs, laterals)]
        return self.named(self._run_bottom_up(outputs))

    def _laterals(self, features):
        coarsest = features[-1]
        if self.channel_enhancement:
            enhanced = [f(x) for f, x in zip(self.enhancers, features[1:])]
            features = [features[0], *enhanced]
        laterals = [lateral(x) for lateral, x in zip(self.laterals, features)]
        if self.scene is not None:
            scene = self.scene(coarsest)  # [B, 1, 1, C]
            if self.scene_fusion is None:
                laterals[-1] += scene
            else:
                scene = tf.broadcast_to(scene, tf.shape(laterals[-1]))
                both = tf.concat([scene, laterals[-1]], axis=-1)
                laterals[-1] = self.scene_fusion(both)
        return laterals

    def _run_bottom_up(self, levels):
        if self.down is None or self.smooth is None:
            return levels
        lower = levels[0] if self.first is None else self.first(levels[0])
        outputs = [lower]
        for level in levels[1:]:
            lower = self.smooth(self._fuse(self.down(lower), level))
            outputs.append(lower)
        return outputs

    def _fuse(self, lower, level):
        if self.fusion is None:
            return lower + level
        evidence = level if self.level is None else self.level(level)
        added = evidence if self.fuse_convolved else level
        return self.fusion([lower, added, evidence])

    def _conv(self, name, **options):
        return self.convolution(name, initializer="torch", **options)
