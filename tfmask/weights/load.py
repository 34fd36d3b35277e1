"""Loading trained weights into a model, with a report of what fitted."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from tfmask.errors import CheckpointError, ClassMapError
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files

# Layers of the heads whose output channels are classes.
_CLASS_LAYERS = ("class_logits", "deltas", "predictor", "boundary_predictor")
# Parts of a model that run in training only: inference needs no weights of theirs.
_TRAINING_ONLY = ("quasi_half", "quasi_double", "sobel_boundary")


class LoadReport(NamedTuple):
    """What `load_weights` did; paths as in `layers.naming.named_weights`."""

    path: str
    loaded: list[str]
    skipped: list[tuple[str, tuple, tuple]]  # path, shape in the file, in the model
    missing: list[str]  # in the model, not in the file
    unused: list[str]  # in the file, not in the model
    class_map: ClassMap | None  # of the file
    started: tuple[str, ...] = ()  # missing heads that start as copies of others

    def __str__(self):
        lines = [f"{self.path}: {len(self.loaded)} weights loaded"]
        for path, theirs, ours in self.skipped:
            lines.append(f"  skipped {path}: file has {theirs}, model has {ours}")
        absent = [path for path in self.missing if _part(path) not in self.started]
        for word, paths in (("missing", absent), ("unused", self.unused)):
            lines += [f"  {word} {path}" for path in paths]
        lines += [f"  {line}" for line in self.differences()]
        if self.started:
            lines.append(f"  {describe_start(self.started)}")
        return "\n".join(lines)

    def differences(self) -> list[str]:
        """A sentence for each part that only the file or only the model has weights of.

        They are no errors, but may surprise.
        """
        loaded = {_part(path) for path in self.loaded} | set(self.started)
        sentences = []
        for paths, text in (
            (self.missing, "the file has no weights of it, it keeps its initial ones"),
            (self.unused, "the file has weights of it, the model has no such part"),
        ):
            for part in dict.fromkeys(map(_part, paths)):
                if part not in loaded:
                    idle = part in _TRAINING_ONLY
                    end = "; inference does without it" if idle else ""
                    sentences.append(f"{part}: {text}{end}")
        return sentences


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
        start a training from other weights; refining heads that the file does not
        have become copies of its base heads. Otherwise every weight must fit, save
        those of parts that run in training only, which may be missing or differ.

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
    wanted = [name for name in missing if _part(name) not in _TRAINING_ONLY]
    unfit = [entry for entry in skipped if _part(entry[0]) not in _TRAINING_ONLY]
    if (unfit or wanted) and not reset_classes:
        problem = (
            f"{unfit[0][0]} has shape {unfit[0][1]}, the model {unfit[0][2]}"
            if unfit
            else f"{wanted[0]} is not in it"
        )
        raise CheckpointError(
            f"{file.path}: weights of another model: {problem} "
            f"({len(unfit) + len(wanted)} of {len(variables)} weights do not fit); "
            "use the config.json beside them"
        )
    if not loaded:
        raise CheckpointError(f"{file.path}: none of its weights fits the model")
    for variable, value in values:
        variable.assign(value)
    if reset_classes:
        report = report._replace(started=start_refining_heads(model, loaded))
    return report


def start_refining_heads(model, loaded) -> tuple[str, ...]:
    """Copies loaded base heads to the refining heads that were not loaded themselves.

    MR R-CNN sec. 3.3: the refining module starts from a trained Mask R-CNN.

    Args:
      model: any model; those without a refining module stay as they are.
      loaded: paths of the weights that were loaded into it.

    Returns:
      Names of the heads that got copies.
    """
    refiner = getattr(model, "refiner", None)
    if refiner is None:
        return ()
    known = {_part(path) for path in loaded}
    return refiner.start_from_base(
        [
            ours.name
            for ours, base in refiner.heads
            if base.name in known and ours.name not in known
        ]
    )


def describe_start(heads: tuple[str, ...]) -> str:
    return f"refining heads start from the base heads: {', '.join(heads)}"


def _same_classes(file, class_map: ClassMap | None) -> bool:
    """Same names in the same order; the ids may be numbered differently."""
    if class_map is None or file.class_map is None:
        return True
    return tuple(file.class_map.names) == tuple(class_map.names)


def _part(path: str) -> str:
    """The part of the model that a weight belongs to: the first name of its path."""
    return path.split("/")[0]


def _is_class_layer(path: str) -> bool:
    parts = path.split("/")
    return "rpn" not in parts[0] and any(name in _CLASS_LAYERS for name in parts)


def _describe(class_map: ClassMap) -> str:
    names = ", ".join(class_map.names[:5])
    more = ", ..." if class_map.num_classes > 5 else ""
    return f"{class_map.num_classes} classes ({names}{more})"
