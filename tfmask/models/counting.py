"""Parameter counts, as papers count them."""

import math

from tfmask.layers.naming import named_weights

_STATISTICS = ("moving_mean", "moving_variance")
_AFFINE = ("gamma", "beta")


def count_parameters(model) -> int:
    """Learnable numbers of a model.

    Statistics of normalisations, constants of frozen normalisations and loss weights do
    not count; frozen convolutions do, as in the published figures.
    """
    return sum(rows for _, rows in parameter_table(model))


def parameter_table(model) -> list[tuple[str, int]]:
    """(part, learnable numbers) for each part of a model, in the order of the walk."""
    counts: dict[str, int] = {}
    backbone = model.settings.backbone
    constant = backbone.norm == "frozen_bn" and not backbone.train_affine
    for path, variable in named_weights(model).items():
        part, name = path.split("/")[0], path.split("/")[-1]
        if part == "loss_weights" or name in _STATISTICS:
            continue
        if part == "backbone" and constant and name in _AFFINE:
            continue
        counts[part] = counts.get(part, 0) + math.prod(variable.shape)
    return list(counts.items())
