"""Reading weight files that Keras wrote, of any age."""

import os

import h5py
import numpy as np

from tfmask.errors import WeightsError

_CONVOLUTION = ("kernel", "bias")
_NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")


def read_keras_h5(path: str) -> dict[str, np.ndarray]:
    """The arrays of a Keras `.h5` or `.weights.h5` by `layer/weight`.

    Layouts: weight files and whole models of tf.keras and Keras 2 (a group for each
    layer), and Keras 3's `.weights.h5` (numbered variables below a group that names its
    layer).

    Raises:
      WeightsError: unreadable, links to elsewhere, or arrays larger than the file.
    """
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: no such file")
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            _read_group(file, "", arrays, path)
    except (OSError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a readable HDF5 file, truncated or damaged "
            f"({str(error)[:120]}); download it again"
        ) from error
    return arrays


def _read_group(group, prefix, arrays, path) -> None:
    for name in group:
        inner = f"{prefix}/{name}"
        # Soft and external links could name any file of this machine.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(f"{path}: {inner} is a link; expected plain data")
        node = group[name]
        if isinstance(node, h5py.Dataset):
            key = _weight_name(inner, group)
            if key is not None:
                arrays[key] = _read_array(node, inner, path)
        elif name != "optimizer_weights":
            _read_group(node, inner, arrays, path)


def _weight_name(location: str, group) -> str | None:
    """`layer/weight` of a data set, None for one that is no weight."""
    *_, parent, name = location.split("/")
    if parent != "vars":
        return f"{parent}/{name.split(':')[0]}"
    layer, first = group.attrs.get("name"), group.get("0")
    if layer is None or first is None or not name.isdigit():
        return None
    kinds = _NORMALISATION if first.ndim == 1 else _CONVOLUTION
    return f"{layer}/{kinds[int(name)]}" if int(name) < len(kinds) else None


def _read_array(node, name, path) -> np.ndarray:
    if node.is_virtual or node.external or node.dtype.kind not in "fiu":
        raise WeightsError(f"{path}: {name} is not a plain array of numbers")
    # Space that was never written reads as zeros of any number.
    if node.id.get_storage_size() < node.nbytes:
        raise WeightsError(
            f"{path}: {name} claims {node.nbytes} bytes but has "
            f"{node.id.get_storage_size()} in the file; refused"
        )
    return node[()]
