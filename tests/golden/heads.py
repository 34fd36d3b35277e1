"""Filling one part of a model for a golden case by the importer's rules."""

import numpy as np
from golden.recipe import Case

from tfmask.layers.naming import named_weights
from tfmask.weights import importer


def load_head(
    head, case: Case, settings, format_name: str, drawn_as: str, stored_as: str
) -> None:
    """Every parameter of the case goes to its place in the head, or other part.

    Args:
      head: a built layer with its name in the model.
      case: whose parameters.
      settings: fields of config.ModelConfig.
      format_name: key of importer.FORMATS.
      drawn_as: prefix of the parameters' names where they are drawn.
      stored_as: their prefix in the program's files.
    """
    shapes = {drawn_as + name: shape for name, shape in case.shapes.items()}
    arrays = {
        stored_as + name.removeprefix(drawn_as): value
        for name, value in case._replace(shapes=shapes).parameters().items()
    }
    dialect = importer.FORMATS[format_name].dialects(settings)[0]
    for path, weight in named_weights(head).items():
        rule, name = importer.find_rule(dialect, f"{head.name}/{path}")
        weight.assign(np.ascontiguousarray(rule.layout.load(arrays.pop(name))))
    left = [name for name in arrays if not dialect.ignores(name)]
    assert not left, f"{case.name}: {left} have no place"
