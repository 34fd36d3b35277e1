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


def start_copies(model, loaded) -> dict[str, str]:
    """Gives parts that were not loaded the loaded weights of the parts they start from.

    The heads of a refining module start from those of the trained base (MR R-CNN sec.
    3.3), the trunk of an RPN that is trained apart from that of the detector.

    Args:
      model: any built model.
      loaded: paths of the weights that were loaded into it.

    Returns:
      Name of each part that got copies -> the part that they are of.
    """
    known = {part_of(path) for path in loaded}
    started = {}
    for part, base in _pairs(model):
        if base.name in known and part.name not in known:
            part.set_weights(base.get_weights())
            started[part.name] = base.name
    return started


def _pairs(model):
    """(part, the part of the same kind that it starts from)."""
    proposals = getattr(model, "proposals", None)
    for name in ("backbone", "neck"):
        apart = getattr(proposals, name, None)
        if apart is not None:
            yield apart, getattr(model, name)
    if getattr(model, "refinement", None) is not None:
        yield from model.refinement.pairs(model)
