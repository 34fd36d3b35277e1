"""Names of the IEMask R-CNN release, a fork of Detectron2: its mask head."""

from tfmask.weights.layouts import TORCH_CONV
from tfmask.weights.rules import Rule, layer_rules, norm_rules


def neck(prefix: str) -> tuple[Rule, ...]:
    return ()


def mask_head(prefix: str) -> tuple[Rule, ...]:
    """The encoding-decoding mask head, but for its predictor.

    Its stages are sequences, in which convolutions, normalisations and activations are
    numbered through; those of the encoder start with the pooling.
    """
    rules = []
    for stage, first in (("down", 1), ("conv", 0)):
        ours = f"mask_head/{stage}{{index}}_{{place}}"
        theirs = f"{prefix}{stage}{{index}}.{{place}}"
        convs = {"place": {"1": str(first), "2": str(first + 3)}}
        norms = {"place": {"1": str(first + 1), "2": str(first + 4)}}
        rules += layer_rules(ours, theirs + ".{what}", TORCH_CONV, words=convs)
        rules += norm_rules(ours, theirs + ".{stat}", norms, None, 1e-5)
    return tuple(rules)
