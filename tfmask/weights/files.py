"""Weight files: an HDF5 data set for each weight, named by its path.

Unlike Keras's own files these are the same on every Keras version, and they say which
classes the weights were trained for.
"""

import json
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import tensorflow as tf

from tfmask.errors import CheckpointError
from tfmask.files import replacing
from tfmask.layers.naming import named_weights
from tfmask.structures import ClassMap

# State of a training run, not of the trained model.
_NOT_SAVED = ("loss_weights/",)


class WeightFile(NamedTuple):
    """Contents of a weight file or checkpoint."""

    path: str
    weights: dict[str, np.ndarray]  # by path, as `layers.naming.named_weights` has them
    class_map: ClassMap | None
    config: dict | None


def model_weights(model) -> dict:
    """Path -> variable, of what weight files hold."""
    return {
        path: variable
        for path, variable in named_weights(model).items()
        if not path.startswith(_NOT_SAVED)
    }


def write(path, model, class_map: ClassMap | None, config: dict | None) -> None:
    """Writes a `.weights.h5`; a reader never sees a half-written file.

    Args:
      path: where to.
      model: a built model, or the weights themselves by path.
      class_map: the classes that they were trained for.
      config: the model's configuration as plain dicts.

    Raises:
      CheckpointError: it cannot be written; an earlier file stays as it was.
    """
    try:
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["format"] = "tfmask-1"
            if class_map is not None:
                file.attrs["class_map"] = json.dumps(class_map.to_json())
            # An attribute may hold 64 KiB; a data set holds any length.
            file["config"] = json.dumps(config)
            weights = file.create_group("weights")
            found = model if isinstance(model, dict) else model_weights(model)
            for name, variable in found.items():
                weights[name] = np.asarray(variable)
    except (OSError, RuntimeError) as error:  # h5py raises both for a full disk
        raise CheckpointError(
            f"{path}: cannot be written ({error}); an earlier file of this name is "
            "unharmed"
        ) from error


def read(path) -> WeightFile:
    """Reads what `write` wrote.

    Raises:
      CheckpointError: no such file, or not a file of this kind.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != "tfmask-1":
                raise CheckpointError(
                    f"{path}: not a tfmask weight file; convert others with "
                    "`tfmask convert`"
                )
            weights: dict[str, np.ndarray] = {}
            _read_group(file, "weights", "", weights, path)
            class_map = file.attrs.get("class_map")
            config = json.loads(file["config"][()])
    except CheckpointError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged weight file ({error})") from error
    return WeightFile(
        str(path),
        weights,
        ClassMap.from_json(json.loads(class_map)) if class_map else None,
        config,
    )


def _read_group(parent, key: str, prefix: str, weights: dict, path) -> None:
    """Collects float data sets; links to elsewhere are refused, not followed."""
    if not isinstance(parent.get(key, getlink=True), h5py.HardLink):
        raise CheckpointError(f"{path}: {prefix}{key} is a link; expected plain data")
    node = parent[key]
    if isinstance(node, h5py.Group):
        inner = f"{prefix}{key}/" if prefix or key != "weights" else ""
        for name in node:
            _read_group(node, name, inner, weights, path)
        return
    if node.is_virtual or node.external or node.dtype.kind not in "fiu":
        raise CheckpointError(f"{path}: {prefix}{key} is not a plain array of numbers")
    # Space that was never written reads as zeros, as many as the file claims.
    if node.id.get_storage_size() < node.nbytes:
        raise CheckpointError(
            f"{path}: {prefix}{key} claims {node.nbytes} bytes and has fewer"
        )
    weights[f"{prefix}{key}"] = node[()]


def read_checkpoint(prefix) -> WeightFile:
    """The model's weights in a training checkpoint.

    Raises:
      CheckpointError: no checkpoint of this prefix, or a damaged one.
    """
    prefix = str(prefix)
    try:
        reader = tf.train.load_checkpoint(prefix)
        keys = reader.get_variable_to_shape_map()
        weights = {}
        for key in keys:
            parts = key.split("/")
            if parts[0] == "weights" and parts[-1] == "VARIABLE_VALUE":
                # tf.train.Checkpoint writes "/" as ".S" and "." as "..".
                name = "/".join(p.replace("..", ".") for p in parts[1].split(".S"))
                if not name.startswith(_NOT_SAVED):
                    weights[name] = reader.get_tensor(key)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{prefix}: not a readable checkpoint ({str(error).splitlines()[0]})"
        ) from error
    if not weights:
        raise CheckpointError(f"{prefix}: holds no weights of tfmask")
    folder = Path(prefix).parent.parent
    class_map = config = None
    if (folder / "classes.json").is_file():
        class_map = ClassMap.from_json(
            json.loads((folder / "classes.json").read_text())
        )
    if (folder / "config.json").is_file():
        config = json.loads((folder / "config.json").read_text())
    return WeightFile(prefix, weights, class_map, config)
