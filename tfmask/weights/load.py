"""Loading weights that tfmask or Keras saved into a model."""

from pathlib import Path

from tfmask.errors import CheckpointError, ClassMapError
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files
from tfmask.weights import importer, keras_files
from tfmask.weights.classes import describe, same_classes
from tfmask.weights.parts import (
    class_weights,
    is_below,
    start_copies,
    training_only,
)
from tfmask.weights.report import Report


def read_weights(path, model=None) -> weight_files.WeightFile:
    """The weights that a path names.

    Args:
      path: the folder of a run (its best weights, else the last complete checkpoint),
        a checkpoint, a weight file of tfmask under any name, or what Keras saved:
        `.weights.h5`, or a `.keras` archive, whose weights are taken and whose
        configuration is not.
      model: a built model. Needed for Keras's files, whose layout only the model
        knows; it is the same afterwards.

    Raises:
      CheckpointError: there are none, or they cannot be read.
    """
    path = _located(path)
    if keras_files.is_keras_file(path):
        if model is None:
            raise CheckpointError(
                f"{path}: written by Keras, and says nothing without its model; "
                "expected a file of tfmask, a checkpoint, or the folder of a run"
            )
        return keras_files.read(path, model)
    if path.suffix in (".h5", ".hdf5"):
        return weight_files.read(path)
    return weight_files.read_checkpoint(path)


def read_class_map(path) -> ClassMap | None:
    """The classes that weights were trained for; None where the files do not say.

    Args:
      path: as for `read_weights`.

    Raises:
      CheckpointError: there are no weights, or they cannot be read.
    """
    path = _located(path)
    if keras_files.is_keras_file(path):
        return None
    if path.suffix in (".h5", ".hdf5"):
        return weight_files.read(path, with_weights=False).class_map
    return weight_files.read_checkpoint(path, with_weights=False).class_map


def _located(path) -> Path:
    """The file, or the prefix of the checkpoint, that a path names."""
    format_name, name = importer.split_spec(str(path))
    if format_name:
        raise CheckpointError(
            f"{path}: weights of another project; expected those of tfmask or Keras: "
            "bring them into a file of tfmask with `tfmask convert`"
        )
    path = Path(name)
    if path.is_dir():
        best = weight_files.best_file(path)
        if best:
            return best
        for folder in (path / "checkpoints", path):
            checkpoints = weight_files.complete_checkpoints(folder)
            if checkpoints:
                return Path(checkpoints[-1])
        raise CheckpointError(
            f"{path}: holds neither {weight_files.BEST} nor a complete checkpoint; "
            "expected the output folder of a run"
        )
    return path.with_suffix("") if path.suffix == ".index" else path


def load_weights(
    model,
    path,
    *,
    class_map: ClassMap | None = None,
    reset_classes: bool = False,
) -> Report:
    """Loads weights that tfmask or Keras saved, all of them or none.

    Args:
      model: a built model.
      path: as for `read_weights`.
      class_map: the classes the model is to know; checked against those of the weights.
      reset_classes: what does not fit keeps its initial values: the layers whose
        channels are classes when the classes differ, and weights of other shapes. To
        start a training from other weights; parts that start from others become
        copies of those, see parts.start_copies. Otherwise every weight must fit, save
        those of parts that run in training only, which may be missing or differ.

    Raises:
      CheckpointError: unreadable, or weights of another model.
      ClassMapError: weights of other classes.
    """
    file = read_weights(path, model)
    same = same_classes(file.class_map, class_map)
    if not (same or reset_classes):
        raise ClassMapError(
            f"{file.path}: trained for {describe(file.class_map)}, but the data has "
            f"{describe(class_map)}; evaluate on data with the same classes, or train "
            "with model.weights set to this file, which resets the class layers"
        )
    variables = weight_files.model_weights(model)
    others = set() if same else class_weights(model, variables)
    report = Report(
        source=file.path,
        layout=file.layout,
        loaded={},
        reset={},
        missing={},
        skipped={
            name: value.shape
            for name, value in file.weights.items()
            if name not in variables
        },
        class_map=file.class_map,
        training_only=(*training_only(model), *file.training_only),
    )
    for name, variable in variables.items():
        shape, value = tuple(variable.shape), file.weights.get(name)
        if value is None:
            report.missing[name] = shape
        elif value.shape != shape or name in others:
            report.reset[name] = value.shape, shape
        else:
            report.loaded[name] = shape
    if not reset_classes:
        _require_whole(report)
    if not report.loaded:
        raise CheckpointError(f"{file.path}: none of its weights fits the model")
    for name in report.loaded:
        variables[name].assign(file.weights[name])
    if reset_classes:
        report = report._replace(started=start_copies(model, report.loaded))
    return report


def _require_whole(report: Report) -> None:
    """Every weight that inference needs has to be loaded."""
    problems = [
        f"{path} has shape {list(file_shape)}, the model {list(model_shape)}"
        for path, (file_shape, model_shape) in report.reset.items()
        if not is_below(path, report.training_only)
    ]
    absent = "is not in it"
    if report.layout == keras_files.LAYOUT:
        absent += " or has another shape there"
    problems += [
        f"{path} {absent}"
        for path in report.missing
        if not is_below(path, report.training_only)
    ]
    if problems:
        total = len(report.loaded) + len(report.reset) + len(report.missing)
        raise CheckpointError(
            f"{report.source}: weights of another model: {problems[0]} "
            f"({len(problems)} of {total} weights do not fit); use the config.json "
            "beside them"
        )
