"""Matching a file's arrays with a model's weights, and the way back.

K is the number of classes without the background.
"""

from types import ModuleType
from typing import NamedTuple

import numpy as np

from tfmask.config import ModelConfig
from tfmask.errors import WeightsError
from tfmask.structures import ClassMap
from tfmask.weights import checks
from tfmask.weights.classes import published_map, same_classes
from tfmask.weights.dialects import (
    detectron2,
    keras_applications,
    maskrcnn_benchmark,
    tensorpack,
    torchvision,
)
from tfmask.weights.layouts import ClassAxis
from tfmask.weights.readers.archive import read_npz
from tfmask.weights.readers.torch_file import Source, read_checkpoint
from tfmask.weights.report import Report
from tfmask.weights.rules import Dialect, Rule

FORMATS: dict[str, ModuleType] = {
    "keras_applications": keras_applications,
    "torchvision": torchvision,
    "detectron2": detectron2,
    "tensorpack": tensorpack,
    "maskrcnn_benchmark": maskrcnn_benchmark,
}
_CLASS_LOGITS = "box_head/class_logits/kernel"


class Plan(NamedTuple):
    """An import that has been checked and not yet done."""

    values: dict[str, np.ndarray]  # path -> what to assign, float32
    report: Report


def read_source(format_name: str, path: str) -> Source:
    """The named arrays of a file, in its own layout.

    Raises:
      WeightsError: unknown format, or an unreadable file.
    """
    if format_name not in FORMATS:
        raise WeightsError(
            f"{format_name}: no such weight format; known: {', '.join(FORMATS)}"
        )
    if format_name == "keras_applications":
        return keras_applications.read(path)
    if format_name == "tensorpack":
        arrays = read_npz(path)
        # Some dumps keep TensorFlow's output number.
        return Source({k.removesuffix(":0"): v for k, v in arrays.items()}, {})
    return read_checkpoint(path)


def choose_dialect(format_name: str, settings: ModelConfig, arrays, where) -> Dialect:
    """The set of names of a format that fits most arrays.

    Raises:
      WeightsError: none fits any.
    """
    count, dialect = _best(format_name, settings, arrays)
    if count < len(arrays) / 4:
        others = {name: _best(name, settings, arrays)[0] for name in FORMATS}
        rival = max(others, key=others.get)
        if count < others[rival] / 2 or not count:
            guess = f"; it looks like {rival}" if others[rival] else ""
            raise WeightsError(
                f"{where}: {count} of its {len(arrays)} arrays have names of "
                f"{format_name}, e.g. {next(iter(arrays))}{guess}"
            )
    return dialect


def _best(format_name, settings, arrays) -> tuple[int, Dialect]:
    """How many arrays the best set of names knows, and that set."""
    options = FORMATS[format_name].dialects(settings)
    counted = [(_count_known(dialect, arrays), dialect) for dialect in options]
    return max(counted, key=lambda pair: pair[0])


def _count_known(dialect, arrays):
    return sum(any(r.path_of(name) for r in dialect.rules) for name in arrays)


def count_classes(dialect: Dialect, arrays) -> int:
    """K of a detector's file, 0 for a trunk."""
    rule, name = find_rule(dialect, _CLASS_LOGITS)
    if rule is None or name not in arrays or arrays[name].ndim != 2:
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
    module = FORMATS[format_name]
    prepare = getattr(module, "fold_biases", dict)
    arrays = prepare(source.arrays)
    dialect = choose_dialect(format_name, settings, arrays, where)
    shapes = {p: s for p, s in shapes.items() if not part or p.startswith(part + "/")}
    checks.check_stride(dialect, shapes, settings, where)
    rules = {path: find_rule(dialect, path) for path in shapes}
    trained_for = published_map(count_classes(dialect, arrays))
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
    report = Report(
        source=where,
        dialect=dialect.name,
        loaded={path: value.shape for path, value in values.items()},
        reset=reset,
        missing=missing,
        skipped=skipped,
        notes=checks.notes(
            module,
            source,
            dialect,
            settings,
            constants,
            has_heads or bool(reset),
            skipped,
        ),
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
    module = FORMATS[format_name]
    if like:
        _, dialect = _best(format_name, settings, like)
    else:
        dialect = module.dialects(settings)[0]
    exported = {}
    for path, value in values.items():
        rule, name = find_rule(dialect, path)
        if name:
            stored = rule.layout.store(np.asarray(value))
            exported[name] = np.ascontiguousarray(stored, np.float32)
    return getattr(module, "add_biases", dict)(exported)


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
