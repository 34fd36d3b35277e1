"""Feature pyramid network (Lin et al. 2017)."""

import keras
import tensorflow as tf

from tfmask.layers.conv_norm import ConvNorm

# Uniform with bound sqrt(3 / fan_in): Caffe2's Xavier fill.
_XAVIER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0, "mode": "fan_in", "distribution": "uniform"},
}
_VARIANCE_SCALING = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"},
}
INITIALIZERS = {"xavier": _XAVIER, "variance_scaling": _VARIANCE_SCALING}


@keras.saving.register_keras_serializable(package="tfmask")
class FPN(keras.layers.Layer):
    """Top-down pathway with lateral connections (FPN sec. 3).

    Args:
      channels: of every output.
      norm: `none`, `bn`, `sync_bn` or `gn` after every convolution.
      initializer: `xavier` (Detectron2, maskrcnn-benchmark) or `variance_scaling`
        (Tensorpack).

    Call input: dict `c2`..`c5`. Returns a dict `p2`..`p6`, level i `[B, H/2^i, W/2^i,
    channels]`; P6 is every second cell of P5.
    """

    def __init__(self, channels=256, *, norm="none", initializer="xavier", **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.norm = norm
        self.initializer = initializer

        def conv(name, size):
            return ConvNorm(
                channels,
                size,
                norm=norm,
                kernel_initializer=keras.initializers.get(INITIALIZERS[initializer]),
                name=name,
            )

        self.laterals = {f"c{i}": conv(f"fpn_lateral{i}", 1) for i in range(2, 6)}
        self.outputs_ = {f"c{i}": conv(f"fpn_output{i}", 3) for i in range(2, 6)}

    def build(self, input_shape):
        for name, layer in self.laterals.items():
            layer.build(tuple(input_shape[name]))
        for layer in self.outputs_.values():
            layer.build((None, None, None, self.channels))
        self.built = True

    def call(self, inputs, training=None):
        outputs, top = {}, None
        for i in range(5, 1, -1):
            inner = self.laterals[f"c{i}"](inputs[f"c{i}"], training=training)
            if top is not None:
                inner += _upsample(top, tf.shape(inner))
            outputs[f"p{i}"] = self.outputs_[f"c{i}"](inner, training=training)
            top = inner
        outputs["p6"] = outputs["p5"][:, ::2, ::2]
        return {name: outputs[name] for name in sorted(outputs)}

    def compute_output_shape(self, input_shape):
        shapes = {
            f"p{i}": (*input_shape[f"c{i}"][:3], self.channels) for i in range(2, 6)
        }
        batch, height, width, channels = shapes["p5"]
        half = [s if s is None else -(-s // 2) for s in (height, width)]
        return {**shapes, "p6": (batch, *half, channels)}

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "norm": self.norm,
            "initializer": self.initializer,
        }


def _upsample(x, shape):
    """Nearest neighbour, twice the size, cut to the finer level `shape`."""
    return _double(x)[:, : shape[1], : shape[2]]


@tf.custom_gradient
def _double(x):
    b, h, w, c = tf.unstack(tf.shape(x))
    y = tf.broadcast_to(x[:, :, None, :, None, :], [b, h, 2, w, 2, c])
    y = tf.reshape(y, [b, 2 * h, 2 * w, x.shape[-1]])

    def gradient(upstream):
        # The sum of each cell's four copies; many times faster than a reduction.
        return 4.0 * tf.nn.avg_pool2d(upstream, 2, 2, "VALID")

    return y, gradient
