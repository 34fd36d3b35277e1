"""The box head of PANet, which reads every roi on every level."""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.box_head import RoIBoxHead
from tfmask.layers.chain import build_chain, maximum_of_levels, run_chain
from tfmask.layers.group_norm import GroupNorm
from tfmask.layers.mask_head import hidden_convolutions
from tfmask.layers.part import one_of
from tfmask.layers.rois import RoISpec, flatten_rois

_CONVOLUTIONS = 4


@keras.saving.register_keras_serializable(package="tfmask")
class AdaptiveBoxHead(RoIBoxHead):
    """Box head with adaptive feature pooling (PANet sec. 3.2).

    The first hidden layer is another one for each level; the maximum over the levels
    goes on:

        2fc:       fully connected x L, maximum, fully connected
        4conv1fc:  3x3 convolution x L, maximum, three of them, fully connected

    each with a ReLU.

    Args:
      num_classes: K, background not counted.
      pool_size: bins per side of the roi feature, S.
      form: `2fc` or `4conv1fc`.
      channels: of the convolutions; with `gn` a multiple of 32.
      fc_units: width of the fully connected layers; with `gn` a multiple of 32.
      norm: `none`, or `gn`: after every convolution, and after the second of two fully
        connected layers, as in the release.
      class_agnostic: one box for all classes (Cascade R-CNN).
      background_row: keep a row of deltas for the background, which nothing uses.
      initializer: of the fully connected layers, a word of
        `layers.initializers.of_dense`.

    Call input: dict with `box`: `[..., L, S, S, C]`, the roi on each level. Returns
    (class logits `[..., K + 1]`, channel 0 the background; deltas `[..., K, 4]`, or
    `[..., 1, 4]` if class-agnostic), float32.

    Raises:
      ValueError: an unknown form, norm or initializer.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        pool_size: int = 7,
        form: str = "2fc",
        channels: int = 256,
        fc_units: int = 1024,
        norm: str = "none",
        class_agnostic: bool = False,
        background_row: bool = False,
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        one_of("form", form, ("2fc", "4conv1fc"))
        one_of("norm", norm, ("none", "gn"))
        initializers.of_dense(initializer)
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.form = form
        self.channels = channels
        self.fc_units = fc_units
        self.norm = norm
        self.class_agnostic = class_agnostic
        self.background_row = background_row
        self.initializer = initializer
        # One for each level, which `build` knows the number of.
        self.level_layers: list[keras.layers.Layer] = []
        self.convs, self.fc_norm = [], None
        if form == "4conv1fc":
            names = [f"conv{i}" for i in range(2, _CONVOLUTIONS + 1)]
            self.convs = self._convolutions(names)
            self.fc = self._fc("fc")
        elif norm == "none":
            self.fc = self._fc("fc2")
        else:
            self.fc = self._fc("fc2", activation=None)
            self.fc_norm = GroupNorm(dtype=self.dtype_policy, name="fc2_norm")
        self.add_predictors()

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        return {"box": RoISpec(self.pool_size, assign="all")}

    def build(self, input_shape):
        levels, *sides, channels = tuple(input_shape["box"])[-4:]
        cells = sides[0] * sides[1]
        if self.form == "2fc":
            self.level_layers = [self._fc(f"fc1_level{i}") for i in range(levels)]
            for layer in self.level_layers:
                layer.build((None, cells * channels))
            self.fc.build((None, self.fc_units))
            if self.fc_norm is not None:
                self.fc_norm.build((None, self.fc_units))
        else:
            names = [f"conv1_level{i}" for i in range(levels)]
            self.level_layers = self._convolutions(names)
            for layer in self.level_layers:
                layer.build((None, *sides, channels))
            build_chain(self.convs, self.channels)
            self.fc.build((None, cells * self.channels))
        self.build_predictors(self.fc_units)
        self.built = True

    def hidden(self, x: tf.Tensor):
        if self.form == "2fc":
            x = tf.reshape(x, [-1, x.shape[1], x.shape[2:].num_elements()])
            x = self.fc(maximum_of_levels(self.level_layers, x))
            return x if self.fc_norm is None else tf.nn.relu(self.fc_norm(x))
        x, _ = flatten_rois(x, self.roi_specs["box"].rank)
        x = run_chain(self.convs, maximum_of_levels(self.level_layers, x))
        return self.fc(tf.reshape(x, [-1, x.shape[1:].num_elements()]))

    def _fc(self, name, activation="relu"):
        initializer = initializers.of_dense(self.initializer)
        return self.dense(name, self.fc_units, initializer, activation)

    def _convolutions(self, names):
        return hidden_convolutions(names, self.channels, self.dtype_policy, self.norm)
