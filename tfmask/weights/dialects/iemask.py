"""Names of the IEMask R-CNN release, a fork of Detectron2: its neck and mask head."""

from tfmask.weights.layouts import TORCH_CONV, TORCH_DENSE, Cell
from tfmask.weights.rules import Rule, layer_rules, norm_rules

# The convolution of Eq. 12, which the release makes, saves and never calls.
UNUSED = r"backbone\.conv2\.[01]\.(weight|bias)"
_LAYERS = {
    "global_information/conv1": "gimdoule.conv.0",
    "global_information/conv2": "gimdoule.conv.1",
    "global_information/project": "gimdoule.conv1",
    "global_fusion": "conv3",
    "bottom_up_down": "down",
    "bottom_up_output": "conv1",
    "bottom_up_level": "conv2.0",
    "adaptive_fusion/first": "weight1.0",
    "adaptive_fusion/second": "weight2.0",
    "adaptive_fusion/scores": "weight.1",
}
_NORMS = {
    "bottom_up_level": "conv2.1",
    "adaptive_fusion/first": "weight1.1",
    "adaptive_fusion/second": "weight2.1",
}


def neck(prefix: str) -> tuple[Rule, ...]:
    """Information-enhanced feature pyramid; its output convolutions are FPN's.

    Args:
      prefix: before every name.
    """
    rules = []
    # What weighs the channels of a level comes before its lateral convolution. The
    # finest level is not weighed, and has its convolution under the plain name.
    place = f"{prefix}fpn_lateral{{level}}"
    levels = {"level": {level: level for level in "345"}}
    for layer, ending in (
        ("neck/channel_enhancement{level}/reduce", ".0.fc.0"),
        ("neck/channel_enhancement{level}/expand", ".0.fc.2"),
        ("neck/fpn_lateral{level}", ".1"),
    ):
        name = f"{place}{ending}.{{what}}"
        rules += layer_rules(layer, name, TORCH_CONV, words=levels)
    for layer, name in _LAYERS.items():
        rules += layer_rules(f"neck/{layer}", f"{prefix}{name}.{{what}}", TORCH_CONV)
    for layer, name in _NORMS.items():
        rules += norm_rules(f"neck/{layer}", f"{prefix}{name}.{{stat}}", {}, None, 1e-5)
    # Dense layers on the means of the map; without biases.
    for layer, number in (("reduce", "0"), ("expand", "2")):
        path = f"neck/adaptive_fusion/excitation/{layer}/kernel"
        name = f"{prefix}weight.0.fc.{number}.weight"
        rules.append(Rule(path, name, Cell(TORCH_DENSE)))
    return tuple(rules)


def mask_head(prefix: str) -> tuple[Rule, ...]:
    """The encoding-decoding mask head, but for its predictor.

    Its stages are sequences, in which convolutions, normalisations and activations are
    numbered through; those of the encoder start with the pooling.

    Args:
      prefix: before every name.
    """
    rules = []
    for stage, first in (("down", 1), ("conv", 0)):
        layer = f"mask_head/{stage}{{index}}_{{place}}"
        name = f"{prefix}{stage}{{index}}.{{place}}"
        convs = {"place": {"1": str(first), "2": str(first + 3)}}
        norms = {"place": {"1": str(first + 1), "2": str(first + 4)}}
        rules += layer_rules(layer, name + ".{what}", TORCH_CONV, words=convs)
        rules += norm_rules(layer, name + ".{stat}", norms, None, 1e-5)
    return tuple(rules)
