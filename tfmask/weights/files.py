"""Weight files of tfmask: an HDF5 data set for each weight, named by its path.

Unlike Keras's own files these are the same on every Keras version, and they say which
classes the weights were trained for.
"""

import glob
import json
import re
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import tensorflow as tf

from tfmask.errors import CheckpointError
from tfmask.files import WEIGHT_FORMAT, replacing
from tfmask.layers.naming import named_weights
from tfmask.structures import ClassMap
from tfmask.weights.parts import training_only
from tfmask.weights.readers.hdf5 import plain_arrays
from tfmask.weights.report import OWN_LAYOUT

# Keras gives its own files `.weights.h5`, which lie differently inside.
SUFFIX = ".tfmask.h5"
BEST = "best" + SUFFIX  # in the folder of a run
# State of a training run, not of the trained model.
_NOT_SAVED = ("loss_weights/",)
# Of runs before tfmask had a suffix of its own.
_OLD_BEST = "best.weights.h5"


class WeightFile(NamedTuple):
    """Contents of a weight file or checkpoint."""

    path: str
    weights: dict[str, np.ndarray]  # by path, as `layers.naming.named_weights` has them
    class_map: ClassMap | None
    config: dict | None
    training_only: tuple[str, ...] = ()  # paths of parts that inference does without
    layout: str = OWN_LAYOUT


def model_weights(model) -> dict:
    """Path -> variable, of what weight files hold."""
    return {
        path: variable
        for path, variable in named_weights(model).items()
        if not path.startswith(_NOT_SAVED)
    }


def write(path, model, class_map: ClassMap | None, config: dict | None) -> None:
    """Writes a weight file; a reader never sees a half-written one.

    Args:
      path: where to, by custom with SUFFIX.
      model: a built model, or the weights themselves by path.
      class_map: the classes that they were trained for.
      config: the model's configuration as plain dicts.

    Raises:
      CheckpointError: it cannot be written; an earlier file stays as it was.
    """
    idle: tuple[str, ...] = ()
    if isinstance(model, dict):
        weights = model
    else:
        weights, idle = model_weights(model), training_only(model)
    try:
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs["format"] = WEIGHT_FORMAT
            if class_map is not None:
                file.attrs["class_map"] = json.dumps(class_map.to_json())
            file.attrs["training_only"] = json.dumps(idle)
            # An attribute may hold 64 KiB; a data set holds any length.
            file["config"] = json.dumps(config)
            group = file.create_group("weights")
            for name, variable in weights.items():
                group[name] = np.asarray(variable)
    except (OSError, RuntimeError) as error:  # h5py raises both for a full disk
        raise CheckpointError(
            f"{path}: cannot be written ({error}); an earlier file of this name is "
            "unharmed"
        ) from error


def read(path, with_weights: bool = True) -> WeightFile:
    """Reads what `write` wrote.

    Args:
      path: the file.
      with_weights: false: only what the file says of them.

    Raises:
      CheckpointError: no such file, or not a file of this kind.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != WEIGHT_FORMAT:
                raise CheckpointError(
                    f"{path}: not a tfmask weight file; convert others with "
                    "`tfmask convert`"
                )
            for name in ("weights", "config"):
                if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                    raise CheckpointError(
                        f"{path}: {name} is missing or a link; expected plain data"
                    )
            arrays = {}
            if with_weights:
                nodes = plain_arrays(file["weights"], path, CheckpointError)
                arrays = {name: node[()] for name, node in nodes}
            class_map = json.loads(file.attrs.get("class_map", "null"))
            return WeightFile(
                str(path),
                arrays,
                class_map and ClassMap.from_json(class_map),
                json.loads(file["config"][()]),
                tuple(json.loads(file.attrs.get("training_only", "[]"))),
            )
    except CheckpointError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged weight file ({error})") from error


def best_file(folder) -> Path | None:
    """The best weights of a run's folder, under today's name or the older one."""
    files = (Path(folder) / name for name in (BEST, _OLD_BEST))
    return next((path for path in files if path.is_file()), None)


def complete_checkpoints(folder) -> list[str]:
    """Prefixes of the whole checkpoints of a folder, by rising step.

    By the files themselves: the list `checkpoint` that TensorFlow keeps beside them may
    be lost, older, or name another machine's folder.
    """
    steps = {}
    for path in Path(folder).glob("*.index"):
        numbered = re.fullmatch(r".+-(\d+)", path.stem)
        if numbered and _has_all_data(path):
            steps[str(path.with_suffix(""))] = int(numbered[1])
    return sorted(steps, key=steps.__getitem__)


def _has_all_data(index: Path) -> bool:
    """Whether each of a checkpoint's data files is there; their names say how many."""
    shards = {
        path.suffix for path in index.parent.glob(f"{glob.escape(index.stem)}.data-*")
    }
    return any(
        shards >= {f".data-{i:05d}-of-{count:05d}" for i in range(count)}
        for count in {int(name.rpartition("-")[2]) for name in shards}
    )


def read_checkpoint(prefix, with_weights: bool = True) -> WeightFile:
    """The model's weights in a training checkpoint.

    Args:
      prefix: of its files, e.g. `run/checkpoints/step-300`.
      with_weights: false: only what the files beside it say of them.

    Raises:
      CheckpointError: no checkpoint of this prefix, or a damaged one.
    """
    prefix = str(prefix)
    arrays = _checkpoint_arrays(prefix) if with_weights else {}
    class_map = config = None
    # Beside the folder of the checkpoints, or beside checkpoints that were copied.
    for folder in (Path(prefix).parent.parent, Path(prefix).parent):
        if (folder / "classes.json").is_file():
            class_map = ClassMap.from_json(_read_json(folder / "classes.json"))
        if (folder / "config.json").is_file():
            config = _read_json(folder / "config.json")
    return WeightFile(prefix, arrays, class_map, config)


def _checkpoint_arrays(prefix: str) -> dict[str, np.ndarray]:
    try:
        reader = tf.train.load_checkpoint(prefix)
        arrays = {}
        for key in reader.get_variable_to_shape_map():
            parts = key.split("/")
            if parts[0] == "weights" and parts[-1] == "VARIABLE_VALUE":
                # tf.train.Checkpoint writes "/" as ".S" and "." as "..".
                name = "/".join(p.replace("..", ".") for p in parts[1].split(".S"))
                if not name.startswith(_NOT_SAVED):
                    arrays[name] = reader.get_tensor(key)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{prefix}: not a readable checkpoint ({str(error).splitlines()[0]})"
        ) from error
    if not arrays:
        raise CheckpointError(f"{prefix}: holds no weights of tfmask")
    return arrays


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
