"""Reading HDF5 files that may come from strangers: plain arrays, nothing else."""

import os
from collections.abc import Iterator

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
            for location, node in plain_arrays(file, path, skip="optimizer_weights"):
                key = _weight_name(location, node.parent)
                if key is not None:
                    arrays[key] = node[()]
    except (OSError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a readable HDF5 file, truncated or damaged "
            f"({str(error)[:120]}); download it again"
        ) from error
    return arrays


def plain_arrays(
    group: h5py.Group, where, error: type[Exception] = WeightsError, skip: str = ""
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every numeric data set below a group, by its path from there.

    Args:
      group: of an open file.
      where: name of the file, for messages.
      error: raised for what is refused.
      skip: name of groups that are left out.

    Raises:
      error: a link (it could name any file of this machine), a data set that is no
        plain array of numbers, or one that claims more bytes than the file has.
    """
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise error(f"{where}: {group.name}/{name} is a link; expected plain data")
        node = group[name]
        if isinstance(node, h5py.Dataset):
            _check_array(node, where, error)
            yield name, node
        elif name != skip:
            for inner, dataset in plain_arrays(node, where, error, skip):
                yield f"{name}/{inner}", dataset


def _check_array(node, where, error) -> None:
    if node.is_virtual or node.external or node.dtype.kind not in "fiu":
        raise error(f"{where}: {node.name} is not a plain array of numbers")
    # Space that was never written reads as zeros of any number.
    if node.id.get_storage_size() < node.nbytes:
        raise error(
            f"{where}: {node.name} claims {node.nbytes} bytes but has "
            f"{node.id.get_storage_size()} in the file; refused"
        )


def _weight_name(location: str, group) -> str | None:
    """`layer/weight` of a data set, None for one that is no weight."""
    *_, parent, name = f"/{location}".split("/")
    if parent != "vars":
        return f"{parent}/{name.split(':')[0]}"
    layer, first = group.attrs.get("name"), group.get("0")
    if layer is None or first is None or not name.isdigit():
        return None
    kinds = _NORMALISATION if first.ndim == 1 else _CONVOLUTION
    return f"{layer}/{kinds[int(name)]}" if int(name) < len(kinds) else None
