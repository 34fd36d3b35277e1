"""Matching a file's arrays with a model's weights, and the way back.

K is the number of classes without the background.
"""

import os
from typing import NamedTuple

import numpy as np

from tfmask.config import ModelConfig
from tfmask.errors import WeightsError
from tfmask.structures import ClassMap
from tfmask.weights import checks
from tfmask.weights.classes import published_map, same_classes
from tfmask.weights.dialects import (
    detectron2,
    hrnet,
    keras_applications,
    maskrcnn_benchmark,
    matterport,
    tensorpack,
    torchvision,
)
from tfmask.weights.layouts import ClassAxis
from tfmask.weights.parts import part_of
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.report import Report
from tfmask.weights.rules import Dialect, Format, Rule

FORMATS: dict[str, Format] = {
    "keras_applications": keras_applications.FORMAT,
    "torchvision": torchvision.FORMAT,
    "detectron2": detectron2.FORMAT,
    "tensorpack": tensorpack.FORMAT,
    "maskrcnn_benchmark": maskrcnn_benchmark.FORMAT,
    "matterport": matterport.FORMAT,
    "hrnet": hrnet.FORMAT,
}
_CLASS_LOGITS = "box_head/class_logits/kernel"


class Plan(NamedTuple):
    """An import that has been checked and not yet done."""

    values: dict[str, np.ndarray]  # path -> what to assign, float32
    report: Report


def split_spec(spec: str) -> tuple[str, str]:
    """FORMAT:PATH as (format, path); a path alone has the format "".

    A colon is part of a path unless the word before it is a key of FORMATS:
    `run_14:30/best.tfmask.h5` and `C:\\weights.h5` are paths.

    Raises:
      WeightsError: a word before a colon that is no format, and nothing of that name.
    """
    word, colon, rest = spec.partition(":")
    if colon and word in FORMATS:
        return word, os.path.expanduser(rest)
    path = os.path.expanduser(spec)
    if colon and word.isidentifier() and len(word) > 1 and not os.path.exists(path):
        raise WeightsError(
            f"{spec}: there is no such file or folder, and {word} is no weight format; "
            f"known: {', '.join(FORMATS)}"
        )
    return "", path


def read_source(format_name: str, path: str) -> Source:
    """The named arrays of a file, in its own layout.

    Raises:
      WeightsError: unknown format, or an unreadable file.
    """
    if format_name not in FORMATS:
        raise WeightsError(
            f"{format_name}: no such weight format; known: {', '.join(FORMATS)}"
        )
    return FORMATS[format_name].read(path)


def choose_dialect(format_name: str, settings: ModelConfig, arrays, where) -> Dialect:
    """The set of names of a format that fits most arrays.

    Args:
      format_name: key of FORMATS.
      settings: the model's.
      arrays: those of the file, prepared as the format's rules have them.
      where: name of the file, for messages.

    Raises:
      WeightsError: none fits any, or another format fits more of them.
    """
    count, dialect = _best(format_name, settings, arrays)
    strange = [n for n in _unknown(dialect, arrays) if not dialect.ignores(n)]
    if not strange:
        return dialect
    rivals = {
        name: _best(name, settings, arrays)[0]
        for name in FORMATS
        if name != format_name
    }
    rival = max(rivals, key=rivals.__getitem__)
    if rivals[rival] > count or not count:
        guess = f"; it looks like {rival}:PATH" if rivals[rival] else ""
        raise WeightsError(
            f"{where}: {count} of its {len(arrays)} arrays have names of "
            f"{format_name}, but not {strange[0]}{guess}"
        )
    return dialect


def _best(format_name, settings, arrays) -> tuple[int, Dialect]:
    """How many arrays the best set of names knows, and that set."""
    counted = [
        (len(arrays) - len(_unknown(dialect, arrays)), dialect)
        for dialect in FORMATS[format_name].dialects(settings)
    ]
    return max(counted, key=lambda pair: pair[0])


def _unknown(dialect, arrays) -> list[str]:
    return [name for name in arrays if not any(r.path_of(name) for r in dialect.rules)]


def count_file_classes(
    format_name: str, settings: ModelConfig, source: Source, where: str
) -> int:
    """K of a detector's file, 0 for a trunk."""
    arrays = FORMATS[format_name].prepare(source.arrays)
    dialect = choose_dialect(format_name, settings, arrays, where)
    return _count_classes(dialect, arrays)


def _count_classes(dialect: Dialect, arrays) -> int:
    rule, name = find_rule(dialect, _CLASS_LOGITS)
    if rule is None or not isinstance(rule.layout, ClassAxis):
        return 0
    if name not in arrays or arrays[name].ndim != 2:
        return 0
    return rule.layout.num_classes(arrays[name])


def find_rule(dialect: Dialect, path: str) -> tuple[Rule | None, str]:
    """The rule of one of our paths and the name that it gives; (None, "") if none."""
    for rule in dialect.rules:
        name = rule.name_of(path)
        if name is not None:
            return rule, name
    return None, ""


def plan_import(
    format_name: str,
    source: Source,
    shapes: dict[str, tuple],
    settings: ModelConfig,
    where: str,
    class_map: ClassMap | None = None,
    part: str = "",
) -> Plan:
    """Decides what every weight gets.

    Args:
      format_name: key of FORMATS.
      source: the file.
      shapes: path -> shape of the model's weights.
      settings: the model's.
      where: name of the file, for messages.
      class_map: the classes the model is to know. Where the weights were trained for
        others, the layers whose outputs are classes keep their initial values.
      part: load this part alone, e.g. `backbone`.

    Raises:
      WeightsError: the file is of another architecture.
    """
    arrays = FORMATS[format_name].prepare(source.arrays)
    dialect = choose_dialect(format_name, settings, arrays, where)
    shapes = {p: s for p, s in shapes.items() if not part or p.startswith(part + "/")}
    checks.check_stride(dialect, shapes, settings, where)
    if not part:
        checks.check_stages(dialect, arrays, settings, where)
    rules = {path: find_rule(dialect, path) for path in shapes}
    trained_for = published_map(_count_classes(dialect, arrays))
    keep_classes = checks.check_classes(
        rules, arrays, settings, where
    ) and same_classes(_selected(trained_for, settings), class_map)
    values, reset, missing, absent, constants = {}, {}, {}, [], 0
    for path, (rule, name) in rules.items():
        shape = shapes[path]
        if rule is None:
            missing[path] = shape
        elif rule.constant is not None:
            values[path] = np.full(shape, rule.constant, np.float32)
            constants += 1
        elif name not in arrays:
            missing[path] = shape
            absent.append(path)
        elif isinstance(rule.layout, ClassAxis) and not keep_classes:
            reset[path] = arrays[name].shape, shape
        else:
            values[path] = _load(rule, arrays[name], name, path, shape, where)
    checks.check_complete(values, absent, where, settings)
    used = {name for _, name in rules.values()}
    skipped = {k: v.shape for k, v in arrays.items() if k not in used}
    checks.check_leftovers(dialect, skipped, shapes, values, where)
    has_heads = _CLASS_LOGITS in values
    notes = checks.notes(
        source,
        dialect,
        settings,
        dialect.original if has_heads or reset else {},
        constants,
        skipped,
    )
    loaded = {part_of(path) for path in values}
    notes += [text for part, text in dialect.caveats.items() if part in loaded]
    report = Report(
        source=where,
        layout=dialect.name,
        loaded={path: value.shape for path, value in values.items()},
        reset=reset,
        missing=missing,
        skipped=skipped,
        notes=tuple(notes),
        class_map=_selected(trained_for, settings) if has_heads else None,
    )
    return Plan(values, report)


def export(
    format_name: str, values: dict[str, np.ndarray], settings: ModelConfig, like=()
) -> dict[str, np.ndarray]:
    """Weights under another program's names and in its layout.

    Args:
      format_name: key of FORMATS.
      values: our path -> array.
      settings: the model's.
      like: names of a file whose dialect is wanted; by default the format's first.
    """
    dialect = FORMATS[format_name].dialects(settings)[0]
    if like:
        _, dialect = _best(format_name, settings, like)
    exported = {}
    for path, value in values.items():
        rule, name = find_rule(dialect, path)
        if rule is not None and name:
            stored = rule.layout.store(np.asarray(value))
            exported[name] = np.ascontiguousarray(stored, np.float32)
    return FORMATS[format_name].restore(exported)


def _selected(trained_for, settings) -> ClassMap | None:
    """COCO's 80 where they were chosen of torchvision's 90 (see its `dialects`)."""
    if trained_for and trained_for.num_classes != settings.num_classes == 80:
        return published_map(80)
    return trained_for


def _load(rule, array, name, path, shape, where):
    try:
        value = rule.layout.load(array)
    except ValueError:  # an axis count or a size that the layout cannot have
        value = None
    if value is None or tuple(value.shape) != tuple(shape):
        raise WeightsError(
            f"{where}: {name} has shape {list(array.shape)}, which does not fit {path} "
            f"{list(shape)} of the model; use the recipe of the model that the weights "
            "belong to"
        )
    if not np.isfinite(value).all():
        raise WeightsError(f"{where}: {name} holds NaN or infinite numbers")
    if path.endswith("/moving_variance") and value.size and value.min() < 0:
        raise WeightsError(
            f"{where}: {name} holds a variance of {value.min():g}; expected none below "
            "0, nor below the difference of the two programs' epsilons"
        )
    return np.ascontiguousarray(value, np.float32)
