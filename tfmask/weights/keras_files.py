"""Weights that Keras saved: `.weights.h5` files and `.keras` archives.

Inside they are named by attributes of the model, in an order that only Keras knows for
a given model, so that Keras itself puts them into place; but it may leave some out
without an error, and it may stop halfway.
"""

import io
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from tfmask.errors import CheckpointError, WeightsError
from tfmask.files import WEIGHT_FORMAT
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
    _check_content(path)
    before = [(variable, np.array(variable)) for variable in model.weights]
    try:
        for variable, value in before:
            if value.dtype.kind == "f":
                # What is still NaN afterwards was not in the file.
                variable.assign(np.full_like(value, np.nan))
        _load(model, path)
        weights = {k: np.array(v) for k, v in model_weights(model).items()}
    finally:
        for variable, value in before:
            variable.assign(value)
    loaded = {name: v for name, v in weights.items() if not np.isnan(v).any()}
    if not loaded:
        raise CheckpointError(
            f"{path}: Keras {keras.__version__} finds none of the model's weights in "
            "it; expected a file that this model saved, on no later Keras than this "
            "one (files of tfmask are the same on all of them)"
        )
    return WeightFile(str(path), loaded, None, None, layout=LAYOUT)


def _load(model, path: Path) -> None:
    try:
        with warnings.catch_warnings():
            # Says which objects were left out; the caller says it of our paths.
            warnings.simplefilter("ignore")
            model.load_weights(str(path), skip_mismatch=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: Keras cannot load it ({str(error).strip().splitlines()[0]})"
        ) from error


def _check_content(path: Path) -> None:
    """Links, claims larger than the file, and layouts by order alone are refused."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file")
    try:
        stream = path
        if path.suffix == ".keras":
            archive = Archive(str(path))
            try:
                if _MEMBER not in archive.members:
                    raise CheckpointError(
                        f"{path}: a .keras archive without {_MEMBER}; expected one "
                        "that model.save wrote"
                    )
                stream = io.BytesIO(archive.read(_MEMBER))
            finally:
                archive.close()
        with h5py.File(stream, "r") as file:
            if "layer_names" in file.attrs:
                raise CheckpointError(
                    f"{path}: an older layout of Keras, which says no more than the "
                    "order of the layers; expected .weights.h5, or FORMAT:PATH for "
                    "the weights of another project"
                )
            for _ in plain_arrays(file, path, CheckpointError):
                pass
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged weight file ({error})") from error


def _is_variables(name: str):
    """For h5py's walk, which ends with the first answer that is not None."""
    return True if name.rpartition("/")[2] == "vars" else None
