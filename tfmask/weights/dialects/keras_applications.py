"""Names of keras.applications' ResNet-50 and ResNet-101, trained on ImageNet."""

import re

import keras
import numpy as np

from tfmask.config import ModelConfig
from tfmask.errors import WeightsError
from tfmask.weights.layouts import SAME
from tfmask.weights.readers.hdf5 import read_keras_h5
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.rules import Dialect, Format, Rule, Trunk, norm_rules, stem_layout

# Caffe's models: blue first, mean subtracted, no scale.
TRUNK = Trunk("bgr", (1.0, 1.0, 1.0), stride_in_1x1=True)
_NORM = {name: name for name in ("gamma", "beta", "moving_mean", "moving_variance")}
_UNITS = {str(i): str(i + 1) for i in range(36)}
_CONVS = {"conv1": "1", "conv2": "2", "conv3": "3", "shortcut": "0"}
_OLD_UNITS = {str(i): chr(ord("a") + i) for i in range(6)}
_OLD_CONVS = {"conv1": "2a", "conv2": "2b", "conv3": "2c", "shortcut": "1"}
# The normalisation after a convolution, by the convolution's name.
_NORM_OF = (
    (re.compile(r"(conv\d.*)_conv"), r"\1_bn"),
    (re.compile(r"res(.*_branch.*)"), r"bn\1"),
    (re.compile(r"conv1"), "bn_conv1"),
)
_MODELS = {"resnet50": "ResNet50", "resnet101": "ResNet101"}


def read(path: str) -> Source:
    """Arrays of a weight file, or of a model that keras.applications downloads.

    Args:
      path: an `.h5` file, or `resnet50` or `resnet101`: keras.applications fetches the
        file once and checks its hash.

    Raises:
      WeightsError: unreadable, or it cannot be downloaded.
    """
    if path.lower() not in _MODELS:
        return Source(read_keras_h5(path), {})
    model = _download(_MODELS[path.lower()])
    arrays: dict[str, np.ndarray] = {}
    for layer in model.layers:
        names = [w.name.split("/")[-1].split(":")[0] for w in layer.weights]
        arrays |= {
            f"{layer.name}/{name}": value
            for name, value in zip(names, layer.get_weights())
        }
    return Source(arrays, {})


def _download(name: str) -> keras.Model:
    build = getattr(keras.applications, name)
    try:
        return build(include_top=False, weights="imagenet")
    except Exception as error:
        # Keras raises a plain Exception for what the network answers.
        network = isinstance(error, OSError) or isinstance(error.__context__, OSError)
        if not network and not isinstance(error, ValueError):
            raise
        raise WeightsError(
            f"keras_applications:{name.lower()}: cannot be downloaded "
            f"({' '.join(str(error).split())[:200]}); expected a connection, or "
            "keras_applications:PATH with a file that is here already"
        ) from error


def fold_biases(arrays: dict) -> dict:
    """Moves each convolution's bias into the mean that is subtracted after it.

    Our convolutions have no bias before a normalisation:
    (x + b - mean) = x - (mean - b), exactly.
    """
    folded = dict(arrays)
    for name, bias in arrays.items():
        layer, _, weight = name.rpartition("/")
        norm = _norm_of(layer)
        if weight != "bias" or norm is None:
            continue
        mean = folded.get(f"{norm}/moving_mean")
        if mean is None or mean.shape != bias.shape:
            raise WeightsError(
                f"{name}: a convolution bias without {norm}/moving_mean of its size to "
                "take it up; expected keras.applications' ResNet"
            )
        folded[f"{norm}/moving_mean"] = mean - bias
        del folded[name]
    return folded


def unfold_biases(arrays: dict) -> dict:
    """The inverse, for export: every convolution gets a bias of zero."""
    full = dict(arrays)
    for name, value in arrays.items():
        layer, _, weight = name.rpartition("/")
        if weight == "kernel" and _norm_of(layer):
            full[f"{layer}/bias"] = np.zeros(value.shape[-1], value.dtype)
    return full


def _norm_of(layer: str) -> str | None:
    for pattern, replacement in _NORM_OF:
        if pattern.fullmatch(layer):
            return pattern.sub(replacement, layer)
    return None


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """Today's names, and those of the ResNet-50 file of 2016."""
    ignored = r"(fc1000|predictions|probs)/(kernel|bias)"
    block = "backbone/res{stage}_{unit}/{conv}"
    stem = stem_layout(SAME, settings, TRUNK)
    words = {"unit": _UNITS, "conv": _CONVS}
    name = "conv{stage}_block{unit}_{conv}"
    # Keras's ResNet adds 1.001e-5 to the variance.
    today = (
        Rule("backbone/stem/kernel", "conv1_conv/kernel", stem),
        *norm_rules("backbone/stem", "conv1_bn/{stat}", {}, settings, 1.001e-5, _NORM),
        Rule(block + "/kernel", name + "_conv/kernel", SAME, words),
        *norm_rules(block, name + "_bn/{stat}", words, settings, 1.001e-5, _NORM),
    )
    words = {"unit": _OLD_UNITS, "conv": _OLD_CONVS}
    name = "{stage}{unit}_branch{conv}"
    # The old model used the layer's default of that time, 1e-3.
    old = (
        Rule("backbone/stem/kernel", "conv1/kernel", stem),
        *norm_rules("backbone/stem", "bn_conv1/{stat}", {}, settings, 1e-3, _NORM),
        Rule(block + "/kernel", "res" + name + "/kernel", SAME, words),
        *norm_rules(block, "bn" + name + "/{stat}", words, settings, 1e-3, _NORM),
    )
    return (
        Dialect("ResNet", today, ignored, TRUNK),
        Dialect("ResNet-50 of 2016", old, ignored, TRUNK),
    )


FORMAT = Format(read, dialects, prepare=fold_biases, restore=unfold_biases)
