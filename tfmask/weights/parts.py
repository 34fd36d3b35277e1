"""What the parts of a model say of their weights.

A head declares `class_layers`, the sublayers whose channels are classes, and
`training_only`, that inference does without it. No table of names says so here.
"""

from tfmask.layers.naming import named_layers


def part_of(path: str) -> str:
    """The part of the model that a weight belongs to: the first name of its path."""
    return path.split("/")[0]


def class_weights(model, paths) -> set[str]:
    """Those paths whose weights have a channel for each class.

    Args:
      model: a built model.
      paths: of its weights, as in `layers.naming.named_weights`.
    """
    prefixes = tuple(
        f"{path}/{name}/" if path else f"{name}/"
        for path, layer in {"": model, **named_layers(model)}.items()
        for name in getattr(layer, "class_layers", ())
    )
    return {path for path in paths if path.startswith(prefixes)}


def training_only(model) -> tuple[str, ...]:
    """Paths of the parts of a model that inference does without."""
    return tuple(
        path
        for path, layer in named_layers(model).items()
        if getattr(layer, "training_only", False)
    )


def is_below(path: str, parts) -> bool:
    """Whether a weight belongs to one of these parts, given by their paths."""
    return path.startswith(tuple(f"{part}/" for part in parts))


def start_refining_heads(model, loaded) -> tuple[str, ...]:
    """Copies loaded base heads to the refining heads that were not loaded themselves.

    MR R-CNN sec. 3.3: the refining module starts from a trained Mask R-CNN.

    Args:
      model: any model; those without a refining module stay as they are.
      loaded: paths of the weights that were loaded into it.

    Returns:
      Names of the heads that got copies.
    """
    known = {part_of(path) for path in loaded}
    started = []
    for refining, base in _refining_pairs(model):
        if base.name in known and refining.name not in known:
            refining.set_weights(base.get_weights())
            started.append(refining.name)
    return tuple(started)


def _refining_pairs(model) -> list[tuple]:
    """Each refining head of a model with the base head that it starts from."""
    if getattr(model, "refiner", None) is not None:
        return model.refiner.heads
    refinement = getattr(model, "refinement", None)
    return [] if refinement is None else refinement.pairs(model)


def describe_start(heads: tuple[str, ...]) -> str:
    """The sentence about heads that `start_refining_heads` has filled."""
    return f"refining heads start from the base heads: {', '.join(heads)}"
