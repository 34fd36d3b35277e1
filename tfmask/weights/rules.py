"""Tables that pair our weight paths with another program's names.

A rule holds two patterns with the same placeholders, for example

    Rule("neck/fpn_lateral{level}/kernel", "backbone.fpn_lateral{level}.weight", CONV)

and reads in both directions: import looks names up from paths, export writes them, and
a name that is left over is translated back to say what the model lacks. A part of
another architecture adds its rules to the table of its part.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tfmask.config import ModelConfig
from tfmask.weights.layouts import SAME, AdaptedStem, ClassAxis, Layout, Shift, Stem
from tfmask.weights.readers.torch_file import Source

_PLACE = re.compile(r"\{(\w+)\}")
_NUMBER, _WORD = r"\d+", "[^/]+?"
_CASCADE = 3  # box stages of the public cascades
_NUMBERS = ("stage", "block", "level", "index", "module", "branch")


@dataclass(frozen=True, eq=False)
class Rule:
    """One line of a table.

    Args:
      path: pattern of our path, `{name}` for a varying stretch without a slash; stage,
        block, level, index, module and branch stand for numbers.
      name: pattern of the name, with the same placeholders; empty for a weight that
        the other program does not store.
      layout: see layouts.py.
      words: placeholder -> {our word: their word}; other words do not match.
      constant: the value of a weight that is not stored.
    """

    path: str
    name: str
    layout: Layout = SAME
    words: dict = field(default_factory=dict)
    constant: float | None = None

    def name_of(self, path: str) -> str | None:
        """Their name of our path, or None if the rule is about other paths."""
        return self._translate(path, self.path, self.name, self.words)

    def path_of(self, name: str) -> str | None:
        """Our path of their name."""
        if not self.name:
            return None
        return self._translate(name, self.name, self.path, self._backwards)

    @functools.cached_property
    def _backwards(self):
        return {
            place: {word: our_word for our_word, word in pairs.items()}
            for place, pairs in self.words.items()
        }

    def _translate(self, text, source, target, words):
        match = _pattern(source).fullmatch(text)
        if not match:
            return None
        values = match.groupdict()
        for place, pairs in words.items():
            if values.get(place) not in pairs:
                return None
            values[place] = pairs[values[place]]
        return _PLACE.sub(lambda place: values[place[1]], target)


@functools.cache
def _pattern(template: str):
    parts = _PLACE.split(template)  # text and placeholder names in turn
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"(?P<{part}>{_NUMBER if part in _NUMBERS else _WORD})"
        else:
            parts[i] = re.escape(part)
    return re.compile("".join(parts))


def setting(settings, path: str, default=None):
    """The setting at a dotted path, or `default` where the part has no such setting."""
    for name in path.split("."):
        settings = getattr(settings, name, None)
    return default if settings is None else settings


def box_head_names(stages: int) -> list[tuple[str, int]]:
    """(our name, number from 0) of the box head of each stage."""
    return [("box_head" + (f"_{i + 1}" if i else ""), i) for i in range(stages)]


def box_stages(settings: ModelConfig) -> tuple[int, int]:
    """Numbers of box stages that files have, the model's first."""
    stages = len(settings.boxes.stages)
    return stages, 1 if stages > 1 else _CASCADE


def detector_name(stages: int) -> str:
    """What a report calls a detector with so many box stages."""
    return "detector" if stages == 1 else "cascade detector"


class Trunk(NamedTuple):
    """What an ImageNet trunk was trained with."""

    channel_order: str
    pixel_std: tuple[float, float, float]  # R, G, B
    stride_in_1x1: bool


class Dialect(NamedTuple):
    """One set of names that files of a format come with."""

    name: str
    rules: tuple[Rule, ...]
    # Names without a meaning for us: counters, buffers, the ImageNet classifier.
    ignored: str = r"(?!)"
    trunk: Trunk | None = None  # None: as the configuration says
    box_stages: int = 0  # of the box heads that it names; 0: any number
    # Settings in which the original differs from other projects, by dotted path.
    original: dict[str, Any] = {}
    # Part of our model -> in what it is not the original, whatever the settings.
    caveats: dict[str, str] = {}

    def ignores(self, name: str) -> bool:
        """Whether a name has no meaning for us."""
        return re.fullmatch(self.ignored, name) is not None


class Format(NamedTuple):
    """Weight files of one project: how they are read, and what their names mean."""

    read: Callable[[str], Source]  # the arrays of a file, as they lie there
    # The names that files come with; those of a model with these settings first.
    dialects: Callable[[ModelConfig], tuple[Dialect, ...]]
    # From the arrays of a file to those that the rules are about, and back.
    prepare: Callable[[dict], dict] = dict
    restore: Callable[[dict], dict] = dict


# What PyTorch calls the four vectors of a normalisation.
TORCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
TORCH_LAYER = {"kernel": "weight", "bias": "bias"}


def norm_rules(layer, name, words, settings, epsilon, names=TORCH_NORM):
    """The rules of one normalisation.

    Args:
      layer: pattern of the path of the layer that holds it.
      name: pattern of its name, with `{stat}` for the name of the vector.
      words: see Rule.
      settings: of the model; None where the model's epsilon is not configurable.
      epsilon: what they add to the variance.
      names: our vector -> their name. Statistics that they do not store are 0 and 1.
    """
    ours_epsilon = setting(settings, "backbone.norm_epsilon", epsilon)
    shift = epsilon - ours_epsilon
    rules = []
    for stat, constant in (
        ("gamma", None),
        ("beta", None),
        ("moving_mean", 0.0),
        ("moving_variance", 1.0 + shift),
    ):
        path = f"{layer}/norm/{stat}"
        if stat in names:
            layout = Shift(shift) if stat == "moving_variance" else SAME
            template = name.replace("{stat}", names[stat])
            rules.append(Rule(path, template, layout, words))
        else:
            rules.append(Rule(path, "", SAME, {}, constant))
    return tuple(rules)


def layer_rules(layer, name, kernel, bias=SAME, words=None, names=TORCH_LAYER):
    """Kernel and bias of one layer; `{what}` in `name` is the weight's name."""
    return (
        Rule(
            f"{layer}/kernel",
            name.replace("{what}", names["kernel"]),
            kernel,
            words or {},
        ),
        Rule(f"{layer}/bias", name.replace("{what}", names["bias"]), bias, words or {}),
    )


def class_layers(settings: ModelConfig, scores, deltas, masks, keep=(), of=0) -> dict:
    """Makes the layouts of the three layers whose outputs belong to classes.

    Args:
      settings: says where our background is.
      scores, deltas, masks: where the file has it: `first`, `last` or `none`.
      keep, of: see layouts.ClassAxis.

    Returns:
      Name of the layer -> function from a base layout to the layer's layout.
    """
    background_row = setting(settings, "boxes.head.background_row", False)
    background_channel = setting(settings, "mask.head.background_channel", False)
    model_deltas = "first" if background_row else "none"
    model_masks = "first" if background_channel else "none"

    def delta_axis(base):
        if setting(settings, "boxes.head.class_agnostic", False):
            return base
        return ClassAxis(base, deltas, model_deltas, 4, keep, of)

    return {
        "class_logits": lambda base: ClassAxis(base, scores, "first", 1, keep, of),
        "deltas": delta_axis,
        "predictor": lambda base: ClassAxis(base, masks, model_masks, 1, keep, of),
    }


def stem_layout(base, settings: ModelConfig, trunk: Trunk | None):
    """The first convolution, turned to the model's channel order and pixel scale."""
    stds, order = settings.pixel_std, settings.channel_order
    if len(stds) != 3:
        if trunk is None:  # trained as the configuration says, on RGB
            theirs = tuple(stds[k % len(stds)] for k in range(3))
            return AdaptedStem(base, order, order, theirs, stds)
        return AdaptedStem(base, trunk.channel_order, order, trunk.pixel_std, stds)
    if trunk is None:
        return base
    scale = tuple(a / b for a, b in zip(settings.pixel_std, trunk.pixel_std))
    if settings.channel_order == "bgr":
        scale = scale[::-1]
    return Stem(base, settings.channel_order != trunk.channel_order, scale)
