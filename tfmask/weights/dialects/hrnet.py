"""Names of HRNet: its ImageNet trunks, and the trunk and neck of its detectors."""

from tfmask.config import ModelConfig
from tfmask.weights.layouts import TORCH_CONV
from tfmask.weights.readers.torch_file import read_checkpoint
from tfmask.weights.rules import (
    Dialect,
    Format,
    Rule,
    Trunk,
    layer_rules,
    norm_rules,
    stem_layout,
)

_TRUNK = Trunk("rgb", (58.395, 57.12, 57.375), stride_in_1x1=False)
_BRANCHES = range(4)
_CONVS = {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3"}
_CONVS |= {"shortcut": "downsample.0"}
_NORMS = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "shortcut": "downsample.1"}
# A new branch, by the stage that has it first; theirs count by the stage before.
_TRANSITIONS = {"2_0": "1.0", "2_1": "1.1.0", "3_2": "2.2.0", "4_3": "3.3.0"}


def _exchanges() -> dict[str, str]:
    """TO_FROM_STEP of a convolution between branches -> their numbers of it."""
    words = {}
    for to in _BRANCHES:
        for source in _BRANCHES:
            if source > to:
                words[f"{to}_{source}_0"] = f"{to}.{source}"
            for step in range(to - source):
                words[f"{to}_{source}_{step}"] = f"{to}.{source}.{step}"
    return words


def backbone(
    prefix: str, settings: ModelConfig, trunk: Trunk | None, epsilon: float
) -> tuple[Rule, ...]:
    """HRNetV2.

    Args:
      prefix: before every name.
      settings: the model's.
      trunk: what it was trained with.
      epsilon: of their normalisation.
    """
    first = "backbone/stem1/kernel"
    block = "stage{stage}_{module}/branch{branch}_{block}/conv{index}"
    their_block = "stage{stage}.{module}.branches.{branch}.{block}"
    fuse = "stage{stage}.{module}.fuse_layers.{exchange}"
    transitions, exchanges = {"new": _TRANSITIONS}, {"exchange": _exchanges()}
    # Our layer, their convolution and normalisation, the words of each.
    layers: tuple[tuple[str, str, str, dict, dict], ...] = (
        ("stem{index}", "conv{index}", "bn{index}", {}, {}),
        (
            "layer1_{block}/{conv}",
            "layer1.{block}.{conv}",
            "layer1.{block}.{conv}",
            {"conv": _CONVS},
            {"conv": _NORMS},
        ),
        (
            "transition{new}",
            "transition{new}.0",
            "transition{new}.1",
            transitions,
            transitions,
        ),
        (
            block,
            their_block + ".conv{index}",
            their_block + ".bn{index}",
            {},
            {},
        ),
        (
            "stage{stage}_{module}/fuse{exchange}",
            fuse + ".0",
            fuse + ".1",
            exchanges,
            exchanges,
        ),
    )
    stem = stem_layout(TORCH_CONV, settings, trunk)
    rules = [Rule(first, f"{prefix}conv1.weight", stem)]
    for layer, conv, norm, conv_words, norm_words in layers:
        path = f"backbone/{layer}"
        name = f"{prefix}{conv}.weight"
        rules.append(Rule(f"{path}/kernel", name, TORCH_CONV, conv_words))
        rules += norm_rules(
            path, f"{prefix}{norm}.{{stat}}", norm_words, settings, epsilon
        )
    return tuple(rules)


def neck(prefix: str) -> tuple[Rule, ...]:
    """HRFPN; its outputs are numbered from the finest."""
    words = {"level": {str(i + 2): str(i) for i in range(5)}}
    name = prefix + "fpn_conv.{level}.{what}"
    return (
        *layer_rules("neck/reduction", prefix + "reduction_conv.0.{what}", TORCH_CONV),
        *layer_rules("neck/fpn_output{level}", name, TORCH_CONV, words=words),
    )


def dialects(settings: ModelConfig) -> tuple[Dialect, ...]:
    """The ImageNet classifier; its head and the layers before that have no place."""
    head = r"(incre_modules|downsamp_modules|final_layer|classifier)\..*"
    return (
        Dialect(
            "ImageNet HRNet",
            backbone("", settings, _TRUNK, 1e-5),
            rf"{head}|.*num_batches_tracked",
            _TRUNK,
        ),
    )


FORMAT = Format(read_checkpoint, dialects)
