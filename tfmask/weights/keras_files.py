"""Weights that Keras saved: `.weights.h5` files and `.keras` archives.

Inside they are named by attributes of the model, in an order that only Keras knows for
a given model, so that Keras itself puts them into place; but it may leave some out
without an error, and it may stop halfway.
"""

import re
import shutil
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np

from tfmask.errors import CheckpointError, WeightsError
from tfmask.files import WEIGHT_FORMAT
from tfmask.layers.naming import raw_variable
from tfmask.weights.files import WeightFile, model_weights
from tfmask.weights.readers.archive import Archive
from tfmask.weights.readers.hdf5 import plain_arrays

LAYOUT = "Keras"
_MEMBER = "model.weights.h5"  # of a .keras archive


def is_keras_file(path) -> bool:
    """Whether a file is one of Keras's, by what is in it; `.keras` by its name."""
    path = Path(path)
    if path.suffix == ".keras" or not path.is_file():
        return path.suffix == ".keras"
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") == WEIGHT_FORMAT:
                return False
            return "layer_names" in file.attrs or bool(file.visit(_is_variables))
    except (OSError, RuntimeError):
        return False


def read(path, model) -> WeightFile:
    """What Keras loads from one of its files into a model, by our paths.

    Args:
      path: a file of Keras.
      model: a built model; it is the same afterwards, whatever happens.

    Raises:
      CheckpointError: unreadable, of an older layout, or nothing of it fits the model.
    """
    path = Path(path)
    before = [(v, raw_variable(v).numpy()) for v in model.weights]
    with tempfile.TemporaryDirectory(prefix="tfmask-") as folder:
        copy = Path(folder) / _MEMBER
        _copy_weights(path, copy)
        _prepare(path, copy, model)
        try:
            for variable, value in before:
                if value.dtype.kind == "f":
                    # What is still NaN afterwards was not in the file.
                    variable.assign(np.full_like(value, np.nan))
            _load(path, copy, model)
            weights = {
                name: raw_variable(variable).numpy()
                for name, variable in model_weights(model).items()
            }
        finally:
            for variable, value in before:
                variable.assign(value)
    loaded = {name: v for name, v in weights.items() if not np.isnan(v).any()}
    if not loaded:
        raise CheckpointError(
            f"{path}: holds none of the model's weights; expected a file that Keras "
            "wrote of a model with the same parts"
        )
    return WeightFile(str(path), loaded, None, None, layout=LAYOUT)


def _copy_weights(path: Path, target: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file")
    if path.suffix != ".keras":
        shutil.copyfile(path, target)
        return
    try:
        archive = Archive(str(path))
        try:
            if _MEMBER not in archive.members:
                raise CheckpointError(
                    f"{path}: a .keras archive without {_MEMBER}; expected one that "
                    "model.save wrote"
                )
            target.write_bytes(archive.read(_MEMBER))
        finally:
            archive.close()
    except WeightsError as error:
        raise CheckpointError(str(error)) from error


def _prepare(path: Path, copy: Path, model) -> None:
    """Refuses what Keras would follow or misread; names layers as any Keras does.

    A layer of the model lies under its attribute or in the list `layers` under its
    class, whichever of the two Keras comes to first. Keras 2 and Keras 3 differ in that
    and look at one place alone, so that the copy gets both. It loses the optimizer.
    """
    try:
        with h5py.File(copy, "r+") as file:
            if "layer_names" in file.attrs:
                raise CheckpointError(
                    f"{path}: an older layout of Keras, which says no more than the "
                    "order of the layers; expected .weights.h5, or FORMAT:PATH for "
                    "the weights of another project"
                )
            for _ in plain_arrays(file, path, CheckpointError):
                pass
            for name in [name for name in file if "optimizer" in name]:
                del file[name]  # the state of a training, not of the model
            for names in _names_of_layers(model):
                present = [name for name in names if name in file]
                for name in names:
                    if present and name not in file:
                        file[name] = file[present[0]]
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged weight file ({error})") from error


def _names_of_layers(model):
    """The two places of each layer that is an attribute of the model."""
    attributes = {id(value): name for name, value in vars(model).items()}
    counts: dict[str, int] = {}
    for layer in model.layers:
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        word = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        number = counts[word] = counts.get(word, -1) + 1
        if id(layer) in attributes:
            listed = f"layers/{word}_{number}" if number else f"layers/{word}"
            yield attributes[id(layer)], listed


def _load(path: Path, copy: Path, model) -> None:
    try:
        with warnings.catch_warnings():
            # Says which objects were left out; the caller says it of our paths.
            warnings.simplefilter("ignore")
            model.load_weights(str(copy), skip_mismatch=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: Keras cannot load it ({str(error).strip().splitlines()[0]})"
        ) from error


def _is_variables(name: str):
    """For h5py's walk, which ends with the first answer that is not None."""
    return True if name.rpartition("/")[2] == "vars" else None
