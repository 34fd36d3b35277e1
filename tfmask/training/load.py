"""Loading trained weights into a model, with a report of what fitted."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from tfmask.structures import ClassMap
from tfmask.training import weight_files
from tfmask.training.errors import CheckpointError, ClassMapError

# Layers of the heads whose output channels are classes.
_CLASS_LAYERS = ("class_logits", "deltas", "predictor")


class LoadReport(NamedTuple):
    """What `load_weights` did; paths as in `layers.naming.named_weights`."""

    path: str
    loaded: list[str]
    skipped: list[tuple[str, tuple, tuple]]  # path, shape in the file, in the model
    missing: list[str]  # in the model, not in the file
    unused: list[str]  # in the file, not in the model
    class_map: ClassMap | None  # of the file

    def __str__(self):
        lines = [f"{self.path}: {len(self.loaded)} weights loaded"]
        for path, theirs, ours in self.skipped:
            lines.append(f"  skipped {path}: file has {theirs}, model has {ours}")
        for word, paths in (("missing", self.missing), ("unused", self.unused)):
            lines += [f"  {word} {path}" for path in paths]
        return "\n".join(lines)


def read_weights(path) -> weight_files.WeightFile:
    """Weights of a run folder (the best, else the last), checkpoint or weight file.

    Raises:
      CheckpointError: there are none, or they cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        best = path / "best.weights.h5"
        if best.is_file():
            return weight_files.read(best)
        for folder in (path / "checkpoints", path):
            latest = tf.train.latest_checkpoint(str(folder))
            if latest:
                return weight_files.read_checkpoint(latest)
        raise CheckpointError(
            f"{path}: holds neither best.weights.h5 nor a checkpoint; expected the "
            "output folder of a run"
        )
    if path.suffix == ".h5":
        return weight_files.read(path)
    if path.suffix == ".index":
        path = path.with_suffix("")
    return weight_files.read_checkpoint(path)


def load_weights(
    model,
    path,
    *,
    class_map: ClassMap | None = None,
    reset_classes: bool = False,
) -> LoadReport:
    """Loads weights that tfmask saved.

    Args:
      model: a built model.
      path: run folder (its best weights, else its last), checkpoint prefix or
        `.weights.h5`.
      class_map: the classes the model is to know; checked against those of the weights.
      reset_classes: what does not fit keeps its initial values: the layers whose
        channels are classes when the classes differ, and weights of other shapes. To
        start a training from other weights. Otherwise every weight must fit.

    Raises:
      CheckpointError: unreadable, or weights of another model.
      ClassMapError: weights of other classes.
    """
    file = read_weights(path)
    same = _same_classes(file, class_map)
    if not (same or reset_classes):
        raise ClassMapError(
            f"{file.path}: trained for {_describe(file.class_map)}, but the data has "
            f"{_describe(class_map)}; evaluate on data with the same classes, or train "
            "with model.weights set to this file, which resets the class layers"
        )
    loaded, skipped, missing, values = [], [], [], []
    variables = weight_files.model_weights(model)
    for name, variable in variables.items():
        value = file.weights.get(name)
        if value is None:
            missing.append(name)
        elif tuple(value.shape) != tuple(variable.shape) or (
            not same and _is_class_layer(name)
        ):
            skipped.append((name, tuple(value.shape), tuple(variable.shape)))
        else:
            loaded.append(name)
            values.append((variable, value))
    unused = [name for name in file.weights if name not in variables]
    report = LoadReport(file.path, loaded, skipped, missing, unused, file.class_map)
    if (skipped or missing) and not reset_classes:
        problem = (
            f"{skipped[0][0]} has shape {skipped[0][1]}, the model {skipped[0][2]}"
            if skipped
            else f"{missing[0]} is not in it"
        )
        raise CheckpointError(
            f"{file.path}: weights of another model: {problem} "
            f"({len(skipped) + len(missing)} of {len(variables)} weights do not fit); "
            "use the config.json beside them"
        )
    if not loaded:
        raise CheckpointError(f"{file.path}: none of its weights fits the model")
    for variable, value in values:
        variable.assign(value)
    return report


def _same_classes(file, class_map: ClassMap | None) -> bool:
    """Same names in the same order; the ids may be numbered differently."""
    if class_map is None or file.class_map is None:
        return True
    return tuple(file.class_map.names) == tuple(class_map.names)


def _is_class_layer(path: str) -> bool:
    parts = path.split("/")
    return "rpn" not in parts[0] and any(name in _CLASS_LAYERS for name in parts)


def _describe(class_map: ClassMap) -> str:
    names = ", ".join(class_map.names[:5])
    more = ", ..." if class_map.num_classes > 5 else ""
    return f"{class_map.num_classes} classes ({names}{more})"
