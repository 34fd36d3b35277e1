"""Parameter counts, as papers count them."""

import math

from tfmask.layers.frozen_batch_norm import FrozenBatchNorm
from tfmask.layers.naming import named_weights

_STATISTICS = ("moving_mean", "moving_variance")


def count_parameters(model) -> int:
    """Learnable numbers of a model.

    Statistics of normalisations, constants of frozen normalisations and loss weights do
    not count; frozen convolutions do, as in the published figures.
    """
    return sum(rows for _, rows in parameter_table(model))


def parameter_table(model) -> list[tuple[str, int]]:
    """(part, learnable numbers) for each part of a model, in the order of the walk."""
    counts: dict[str, int] = {}
    constant = _frozen_affine(model)
    for path, variable in named_weights(model).items():
        part, name = path.split("/")[0], path.split("/")[-1]
        if part == "loss_weights" or name in _STATISTICS or path in constant:
            continue
        counts[part] = counts.get(part, 0) + math.prod(variable.shape)
    return list(counts.items())


def _frozen_affine(model) -> set[str]:
    """Paths of scales and offsets that are constants of a frozen normalisation."""
    constants = set()
    for layer in model._flatten_layers():
        if isinstance(layer, FrozenBatchNorm) and not layer.train_affine:
            constants |= {id(layer.gamma), id(layer.beta)}
    return {
        p for p, variable in named_weights(model).items() if id(variable) in constants
    }
