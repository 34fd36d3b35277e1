"""What must hold between a weight file and a model, one clear sentence each."""

import re

import numpy as np

from tfmask.errors import WeightsError
from tfmask.weights.layouts import ClassAxis
from tfmask.weights.parts import part_of
from tfmask.weights.rules import setting


def check_stride(dialect, shapes, settings, where):
    """A trunk computes something else when its stride is moved."""
    bottlenecks = any(re.match(r"backbone/res\d_\d+/conv3/", path) for path in shapes)
    if dialect.trunk is None or not bottlenecks:
        return
    in_1x1 = dialect.trunk.stride_in_1x1
    if setting(settings, "backbone.stride_in_1x1", in_1x1) != in_1x1:
        raise WeightsError(
            f"{where}: trained with the stride on the {'1x1' if in_1x1 else '3x3'} "
            "convolution of each block; set "
            f"model.backbone.stride_in_1x1={str(in_1x1).lower()}"
        )


def check_stages(dialect, arrays, settings, where):
    """Heads of a cascade fit no other number of box stages."""
    heads = [
        name
        for name in arrays
        if any(
            (rule.path_of(name) or "").startswith("box_head") for rule in dialect.rules
        )
    ]
    stages = len(setting(settings, "boxes.stages", ()))
    if dialect.box_stages and heads and dialect.box_stages != stages:
        raise WeightsError(
            f"{where}: weights of another architecture: {heads[0]} is of a model with "
            f"{dialect.box_stages} box stage(s), this one has {stages}; use the recipe "
            "of the model that the weights belong to"
        )


def check_classes(rules, arrays, settings, where) -> bool:
    """Whether the file's class layers have the model's number of classes."""
    counts = {
        name: rule.layout.num_classes(arrays[name])
        for rule, name in rules.values()
        if rule and isinstance(rule.layout, ClassAxis) and name in arrays
        # A vector is the bias of a layer, which follows its kernel.
        if arrays[name].ndim > 1
    }
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise WeightsError(
            f"{where}: its layers disagree about the number of classes: {listed}; "
            "expected one format and one class count throughout"
        )
    return all(count == settings.num_classes for count in counts.values())


def check_complete(values, absent, where, settings):
    """A part comes whole or not at all."""
    parts = {part_of(path) for path in values}
    lost = [path for path in absent if part_of(path) in parts]
    if not values or lost:
        example = (lost or absent or ["every weight"])[0]
        raise WeightsError(
            f"{where}: weights of another architecture: {example} is not in it "
            f"({len(lost or absent)} are missing); use the recipe of the model that "
            f"the weights belong to (this one has {_described(settings.backbone)})"
        )


def check_leftovers(dialect, skipped, shapes, values, where):
    """An array that would fit a layer the model lacks belongs to another model."""
    parts = {part_of(path) for path in values}
    foreign = {}
    for name in skipped:
        if dialect.ignores(name):
            continue
        for rule in dialect.rules:
            path = rule.path_of(name)
            if path and path not in shapes and part_of(path) in parts:
                foreign[name] = path
                break
    if foreign:
        name, path = next(iter(foreign.items()))
        raise WeightsError(
            f"{where}: weights of another architecture: {name} would be {path}, which "
            f"the model does not have ({len(foreign)} such arrays); use the recipe of "
            "the model that the weights belong to"
        )


def notes(source, dialect, settings, original, constants, skipped) -> list[str]:
    """What was turned on the way, and where the model differs from the original.

    Args:
      source: the file.
      dialect: whose names it has.
      settings: the model's.
      original: path of a setting -> its value in the original.
      constants: number of weights that the file does not hold.
      skipped: names of arrays that have no place.
    """
    sentences = []
    unknown = [
        name
        for name in skipped
        if not dialect.ignores(name)
        and not any(rule.path_of(name) for rule in dialect.rules)
    ]
    if unknown:
        more = ", ..." if len(unknown) > 5 else ""
        sentences.append(
            f"{len(unknown)} of the skipped arrays are no part of this architecture: "
            f"{', '.join(unknown[:5])}{more}"
        )
    if constants:
        sentences.append(
            f"{constants} statistics are not in the file, which has them in scale and "
            "offset: 0 and 1"
        )
    trunk, channels = dialect.trunk, len(settings.pixel_std)
    if channels != 3:
        sentences.append(
            f"first convolution adapted from 3 channels to {channels}, unless the file "
            "has as many"
        )
        trunk = None
    if trunk and trunk.channel_order != settings.channel_order:
        sentences.append(
            f"first convolution turned from {trunk.channel_order} to "
            f"{settings.channel_order}"
        )
    if trunk and not np.allclose(trunk.pixel_std, settings.pixel_std):
        sentences.append(
            f"first convolution scaled from pixel_std {trunk.pixel_std} to "
            f"{settings.pixel_std}"
        )
    for path, value in original.items():
        chosen = setting(settings, path, value)
        if chosen != value:
            sentences.append(f"model.{path}={chosen}, trained with {value}")
    if source.extras:
        listed = ", ".join(f"{k} ({v})" for k, v in list(source.extras.items())[:12])
        sentences.append(f"not weights, left out: {listed}")
    return sentences


def _described(backbone) -> str:
    """A backbone in a few words, by what its settings have."""
    kind = getattr(backbone, "tag", "") or type(backbone).__name__
    known = ("depth", "width", "groups", "deformable", "norm")
    return ", ".join(
        [kind] + [f"{k} {getattr(backbone, k)}" for k in known if hasattr(backbone, k)]
    )
