"""Parameter counts, as papers count them."""

from tfmask.layers.naming import named_weights

# Constants of a frozen normalisation, statistics of a live one, and state of training.
_BUFFERS = ("moving_mean", "moving_variance")


def count_parameters(model) -> int:
    """Learnable numbers of a model.

    Statistics of normalisations, constants of frozen normalisations and loss weights do
    not count; frozen convolutions do, as in the published figures.
    """
    return sum(rows for _, rows in parameter_table(model))


def parameter_table(model) -> list[tuple[str, int]]:
    """(part, learnable numbers) for each part of a model, in the order of the walk."""
    counts: dict[str, int] = {}
    affine = {id(v) for v in model.trainable_weights}
    for path, variable in named_weights(model).items():
        part, name = path.split("/")[0], path.split("/")[-1]
        if part == "loss_weights" or name in _BUFFERS:
            continue
        if name in ("gamma", "beta") and not _is_learned(path, variable, affine, model):
            continue
        size = 1
        for extent in variable.shape:
            size *= int(extent)
        counts[part] = counts.get(part, 0) + size
    return list(counts.items())


def _is_learned(path, variable, trained, model) -> bool:
    """Scale and offset count unless the normalisation is a frozen one."""
    frozen = model.settings.backbone.norm == "frozen_bn"
    affine = model.settings.backbone.train_affine
    in_backbone = path.startswith("backbone/")
    return not (in_backbone and frozen and not affine)
