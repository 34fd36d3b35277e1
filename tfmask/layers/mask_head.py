"""The contract of mask heads, and the layers that they are made of.

A mask head is a Keras layer that says in `roi_specs` what it wants pooled, and in
`outputs` what it predicts. `call` takes features of any leading shape. It is made of
three steps on packed features `[M, ...]` with M >= 1, so that other techniques can be
put between them:

    trunk(inputs) -> hidden features by name, `mask` among them
    upsample(hidden, names) -> features at the resolution of the outputs in `names`
    classify(features, names) -> logits `[M, T, T, K]` float32 for each of `names`
    classify(features, names, labels) -> logits `[M, T, T]` of each roi's class alone

`names` leaves out what nobody reads: boundaries, at test. `labels` leaves out the other
classes, which nobody reads at test either: of 80 classes, 79 in 80 parts of the work.
"""

import keras
import tensorflow as tf

from tfmask.layers import initializers
from tfmask.layers.conv_norm import ConvNorm
from tfmask.layers.part import Part
from tfmask.layers.rois import RoISpec, flatten_rois, restore_rois


class MaskHead(Part):
    """Base of mask heads: `call` from the three steps.

    A subclass has the attributes `num_classes`, `background_channel` and `pool_size`,
    and for each of `outputs` a predictor, which `predictor_of` finds.
    """

    outputs: tuple[str, ...] = ("mask",)
    class_layers: tuple[str, ...] = ("predictor",)
    output_dtype = "float32"

    @property
    def roi_specs(self) -> dict[str, RoISpec]:
        """What is pooled for each name in the inputs."""
        return {"mask": RoISpec(self.pool_size)}

    @property
    def mask_size(self) -> int:
        """Cells per side of the outputs, T."""
        raise NotImplementedError

    def trunk(self, inputs) -> dict:
        """Pooled features `[M, S, S, C]` by name -> hidden features by name.

        `[M, L, S, S, C]` where the head asks for every level.
        """
        raise NotImplementedError

    def upsample(self, hidden, names: tuple[str, ...]) -> dict:
        """Hidden features -> features `[M, T, T, C]` of the outputs in `names`."""
        return hidden

    def predictor_of(self, name: str) -> ConvNorm:
        """The layer that predicts an output."""
        return self.predictor

    def classify(
        self, features, names: tuple[str, ...], labels: tf.Tensor = None
    ) -> dict:
        """Features `[M, T, T, C]` -> logits `[M, T, T, K]` float32 for each name.

        Args:
          features: by name.
          names: of `outputs`.
          labels: `[M]` int32, 1..K: only the channel of this class, `[M, T, T]`; the
            same numbers within rounding.
        """
        if labels is not None:
            first = 0 if self.background_channel else 1  # the class of channel 0
            channels = tf.maximum(labels - first, 0)
            return {
                name: class_logits(self.predictor_of(name), features[name], channels)
                for name in names
            }
        logits = {
            name: tf.cast(self.predictor_of(name)(features[name]), tf.float32)
            for name in names
        }
        if self.background_channel:
            logits = {name: value[..., 1:] for name, value in logits.items()}
        return logits

    def call(self, inputs):
        packed = {
            name: flatten_rois(inputs[name], spec.rank)
            for name, spec in self.roi_specs.items()
        }
        hidden = self.trunk({name: x for name, (x, _) in packed.items()})
        logits = self.classify(self.upsample(hidden, self.outputs), self.outputs)
        lead = packed["mask"][1]
        return {name: restore_rois(value, lead) for name, value in logits.items()}

    def compute_output_shape(self, input_shape):
        lead = tuple(input_shape["mask"])[: -self.roi_specs["mask"].rank]
        shape = (*lead, self.mask_size, self.mask_size, self.num_classes)
        return dict.fromkeys(self.outputs, shape)


def hidden_convolutions(
    names: list[str], channels: int, dtype, norm: str = "none"
) -> list[ConvNorm]:
    """3x3 convolutions with ReLU, one for each name, initialised as MSRA."""
    return [
        ConvNorm(
            channels,
            norm=norm,
            activation="relu",
            kernel_initializer=initializers.msra(),
            dtype=dtype,
            name=name,
        )
        for name in names
    ]


def deconvolution(name: str, channels: int, dtype, kernel_size: int = 2):
    """Transposed convolution with ReLU that doubles the side, initialised as MSRA."""
    return keras.layers.Conv2DTranspose(
        channels,
        kernel_size,
        2,
        padding="same",
        activation="relu",
        kernel_initializer=initializers.msra(),
        dtype=dtype,
        name=name,
    )


def class_logits(predictor: ConvNorm, features, channels):
    """One channel of a 1x1 convolution for each roi.

    Args:
      predictor: 1x1 convolution with a bias, without normalisation and activation.
      features: `[M, T, T, C]` floating, T and C known.
      channels: `[M]` int32, the channel of each roi.

    Returns:
      `[M, T, T]` float32.
    """
    dtype = predictor.compute_dtype
    rows, columns, width = features.shape[1:]
    kernel = tf.transpose(tf.cast(predictor.kernel, dtype)[0, 0])  # [K, C]
    weights = tf.gather(kernel, channels)[:, None, :]  # [M, 1, C]
    cells = tf.reshape(tf.cast(features, dtype), [-1, rows * columns, width])
    logits = tf.matmul(weights, cells, transpose_b=True)  # [M, 1, T*T]
    bias = tf.gather(tf.cast(predictor.bias, dtype), channels)
    logits = tf.reshape(logits + bias[:, None, None], [-1, rows, columns])
    return tf.cast(logits, tf.float32)


def mask_predictor(name: str, channels: int, initializer: str, dtype) -> ConvNorm:
    """1x1 convolution to logits; `initializer`: `normal` or `msra`."""
    return ConvNorm(
        channels,
        1,
        kernel_initializer=initializers.of_mask_predictor(initializer),
        dtype=dtype,
        name=name,
    )
