"""The mask head of BMask R-CNN."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.initializers import mask_predictor, msra
from tfmask.layers.rois import RoISpec, flatten_rois, restore_rois


@keras.saving.register_keras_serializable(package="tfmask")
class BoundaryPreservingMaskHead(keras.layers.Layer):
    """Mask and boundary branches that feed each other (BMask R-CNN sec. 3, fig. 4).

        mask roi -> mask_fcn1..4 -> F        boundary roi -> downsample -> G
        boundary feature = boundary_fcn1..2(G + mask_to_boundary(F))
        mask feature = mask_final_fusion(F + boundary_to_mask(boundary feature))
        each feature -> deconvolution -> 1x1 predictor

    The boundary roi is finer and comes from P2 alone. As released, the two 1x1 fusions
    end in a ReLU and nothing follows the sums; mask_final_fusion is in fig. 4 and not
    in the text. Without a fusion its 1x1 convolution is left out and the rest stays.

    Args:
      num_classes: K, background not counted.
      pool_size: bins a side of the mask feature, S.
      conv_layers: 3x3 convolutions of the mask branch before the fusion.
      boundary_conv_layers: 3x3 convolutions of the boundary branch after its fusion.
      channels: of all hidden layers.
      boundary_size: bins a side of the boundary feature, Sb: S, or 2S, which the
        first convolution halves by its stride.
      boundary_levels: pyramid levels of the boundary feature.
      mask_to_boundary, boundary_to_mask: the two fusions.
      background_channel: see FCNMaskHead; of both predictors.
      predictor_initializer: `normal` N(0, 0.001) or `msra`.

    Call input: dict with `mask`: `[..., S, S, C]` and `boundary`: `[..., Sb, Sb, C]`.
    Returns a dict with `mask` and `boundary`: logits `[..., 2S, 2S, K]` float32,
    channel k for class k + 1.

    Raises:
      ValueError: Sb is neither S nor 2S.
    """

    def __init__(
        self,
        num_classes,
        pool_size=14,
        *,
        conv_layers=4,
        boundary_conv_layers=2,
        channels=256,
        boundary_size=28,
        boundary_levels=("p2",),
        mask_to_boundary=True,
        boundary_to_mask=True,
        background_channel=False,
        predictor_initializer="normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if boundary_size not in (pool_size, 2 * pool_size):
            raise ValueError(
                f"boundary_size={boundary_size} with pool_size={pool_size}: expected "
                f"{pool_size} or {2 * pool_size}"
            )
        self.outputs = ("mask", "boundary")
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.conv_layers = conv_layers
        self.boundary_conv_layers = boundary_conv_layers
        self.channels = channels
        self.boundary_size = boundary_size
        self.boundary_levels = tuple(boundary_levels)
        self.background_channel = background_channel
        self.predictor_initializer = predictor_initializer
        self.roi_specs = {
            "mask": RoISpec(pool_size),
            "boundary": RoISpec(boundary_size, self.boundary_levels),
        }
        self.convs = [self._conv(f"mask_fcn{i + 1}") for i in range(conv_layers)]
        stride = boundary_size // pool_size
        self.downsample = self._conv("downsample", strides=stride)
        self.boundary_convs = [
            self._conv(f"boundary_fcn{i + 1}") for i in range(boundary_conv_layers)
        ]
        self.mask_to_boundary = self.boundary_to_mask = None
        if mask_to_boundary:
            self.mask_to_boundary = self._conv("mask_to_boundary", 1)
        if boundary_to_mask:
            self.boundary_to_mask = self._conv("boundary_to_mask", 1)
        self.final_fusion = self._conv("mask_final_fusion")
        self.deconvs = {
            "mask": self._deconv("deconv"),
            "boundary": self._deconv("boundary_deconv"),
        }
        self.predictors = {
            "mask": self._predictor("predictor"),
            "boundary": self._predictor("boundary_predictor"),
        }

    def build(self, input_shape):
        side, hidden = self.pool_size, self.channels
        mask = (None, side, side, tuple(input_shape["mask"])[-1])
        for conv in self.convs:
            conv.build(mask)
            mask = (None, side, side, hidden)
        sides = (self.boundary_size, self.boundary_size)
        self.downsample.build((None, *sides, tuple(input_shape["boundary"])[-1]))
        inner = (None, side, side, hidden)
        fusions = (self.mask_to_boundary, self.boundary_to_mask, self.final_fusion)
        for layer in (*self.boundary_convs, *fusions, *self.deconvs.values()):
            if layer is not None:
                layer.build(inner)
        for predictor in self.predictors.values():
            predictor.build((None, 2 * side, 2 * side, hidden))
        self.built = True

    def call(self, inputs):
        mask, lead = flatten_rois(inputs["mask"])  # [M, S, S, C]
        boundary, _ = flatten_rois(inputs["boundary"])  # [M, Sb, Sb, C]
        hidden = self.trunk({"mask": mask, "boundary": boundary})
        features = self.upsample(hidden, self.outputs)
        logits = self.classify(features, self.outputs)
        return {k: restore_rois(v, lead) for k, v in logits.items()}

    def trunk(self, inputs):
        mask = inputs["mask"]
        for conv in self.convs:
            mask = conv(mask)
        boundary = self.downsample(inputs["boundary"])
        if self.mask_to_boundary is not None:
            boundary = boundary + self.mask_to_boundary(mask)
        for conv in self.boundary_convs:
            boundary = conv(boundary)
        if self.boundary_to_mask is not None:
            mask = mask + self.boundary_to_mask(boundary)
        return {"mask": self.final_fusion(mask), "boundary": boundary}

    def upsample(self, hidden, names):
        return {name: self.deconvs[name](hidden[name]) for name in names}

    def classify(self, features, names):
        logits = {
            name: tf.cast(self.predictors[name](features[name]), tf.float32)
            for name in names
        }
        if self.background_channel:
            logits = {name: value[..., 1:] for name, value in logits.items()}
        return logits

    def compute_output_shape(self, input_shape):
        side = 2 * self.pool_size
        shapes = {}
        for name in self.outputs:
            lead = tuple(input_shape[name])[:-3]
            shapes[name] = (*lead, side, side, self.num_classes)
        return shapes

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "pool_size": self.pool_size,
            "conv_layers": self.conv_layers,
            "boundary_conv_layers": self.boundary_conv_layers,
            "channels": self.channels,
            "boundary_size": self.boundary_size,
            "boundary_levels": list(self.boundary_levels),
            "mask_to_boundary": self.mask_to_boundary is not None,
            "boundary_to_mask": self.boundary_to_mask is not None,
            "background_channel": self.background_channel,
            "predictor_initializer": self.predictor_initializer,
        }

    def _conv(self, name, kernel_size=3, strides=1):
        return ConvNorm(
            self.channels,
            kernel_size,
            strides=strides,
            activation="relu",
            kernel_initializer=msra(),
            name=name,
        )

    def _deconv(self, name):
        return keras.layers.Conv2DTranspose(
            self.channels, 2, 2, activation="relu", kernel_initializer=msra(), name=name
        )

    def _predictor(self, name):
        return ConvNorm(
            self.num_classes + int(self.background_channel),
            1,
            kernel_initializer=mask_predictor(self.predictor_initializer),
            name=name,
        )
