"""Reading .pth and .pkl checkpoints into named arrays, without PyTorch."""

import io
import os
from typing import Literal, NamedTuple

import numpy as np

from tfmask.errors import WeightsError
from tfmask.weights.readers.archive import Archive
from tfmask.weights.readers.stand_ins import Storage, StorageType
from tfmask.weights.readers.unpickle import load

# First pickle of a .pth written before PyTorch 1.6 (and by its legacy option).
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where the public code bases put the weights inside a training checkpoint.
_NESTS = ("model", "state_dict", "model_state_dict", "blobs")


class Source(NamedTuple):
    """What a weight file holds."""

    arrays: dict[str, np.ndarray]
    extras: dict[str, str]  # other entries of the file: name -> what it is


def read_checkpoint(path: str) -> Source:
    """The weights of a `.pth` (zip or legacy) or `.pkl`, told apart by their content.

    Raises:
      WeightsError: unreadable, or the file asks for more than arrays and tensors.
    """
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: no such file")
    with open(path, "rb") as stream:
        head = stream.read(4)
        stream.seek(0)
        if not head:
            raise WeightsError(f"{path}: the file is empty; download it again")
        if head[:2] == b"PK":
            root = _read_zip(path)
        elif head[:1] == b"<":
            raise WeightsError(
                f"{path}: a web page, not weights; download it again and check that "
                "the address leads to the file itself"
            )
        else:
            root = _read_stream(stream, path)
    return _flatten(root, path)


def _read_zip(path):
    archive = Archive(path, stored=True)
    try:
        name = next(
            (n for n in archive.members if n.split("/")[1:] == ["data.pkl"]), ""
        )
        if not name:
            raise WeightsError(
                f"{path}: a zip file without data.pkl, so not written by torch.save"
            )
        folder = name.removesuffix("data.pkl")
        order = b"little"
        if folder + "byteorder" in archive.members:
            order = archive.read(folder + "byteorder")
        storages = {}

        def open_storage(key):
            kind, label, count = _storage_id(key)
            if label not in storages:
                member = archive.members.get(f"{folder}data/{label}")
                storage = Storage(kind, count)
                if member is None or member.file_size != storage.num_bytes:
                    raise ValueError(f"storage {label} is absent or of another size")
                storage.fill(
                    archive.read(member.filename), ">" if order == b"big" else "<"
                )
                storages[label] = storage
            return storages[label]

        return load(io.BytesIO(archive.read(name)), path, open_storage)
    finally:
        archive.close()


def _read_stream(stream, path):
    """One plain pickle, or the row of pickles and raw numbers of a legacy .pth."""
    size = os.fstat(stream.fileno()).st_size
    first = load(stream, path)
    if first != _LEGACY_MAGIC:
        return first
    version, system = load(stream, path), load(stream, path)
    if version != 1001 or not isinstance(system, dict):
        raise WeightsError(f"{path}: a .pth of unknown version {str(version)[:20]}")
    storages = {}

    def open_storage(key):
        kind, label, count = _storage_id(key)
        if label not in storages:
            storages[label] = Storage(kind, count)
            if sum(s.num_bytes for s in storages.values()) > size:
                raise ValueError("storages larger than the file")
        return storages[label]

    root = load(stream, path, open_storage)
    order: Literal["<", ">"] = "<" if system.get("little_endian", True) else ">"
    for label in load(stream, path):
        storage = storages.get(label)
        count = int.from_bytes(stream.read(8), "little" if order == "<" else "big")
        if storage is None or count != storage.count:
            raise WeightsError(f"{path}: truncated or damaged at storage {label}")
        raw = stream.read(storage.num_bytes)
        if len(raw) != storage.num_bytes:
            raise WeightsError(
                f"{path}: truncated, it ends within its numbers; download it again"
            )
        storage.fill(raw, order)
    if any(s.values is None for s in storages.values()):
        raise WeightsError(
            f"{path}: truncated, storages are missing; download it again"
        )
    return root


def _storage_id(key):
    """(type, label, count) of an id ("storage", type, label, device, count)."""
    word, kind, label, _, count, *view = key
    if word != "storage" or not isinstance(kind, StorageType) or any(view):
        raise ValueError(f"reference {str(key)[:80]}")
    if type(count) is not int or count < 0 or not isinstance(label, str):
        raise ValueError(f"reference {str(key)[:80]}")
    return kind, label, count


def _flatten(root, path) -> Source:
    """Picks the weights out of the file's dict."""
    extras: dict[str, str] = {}
    while isinstance(root, dict):
        nest = next((n for n in _NESTS if isinstance(root.get(n), dict)), None)
        if nest is None:
            break
        extras |= {str(k): _kind(v) for k, v in root.items() if k != nest}
        root = root[nest]
    if not isinstance(root, dict):
        raise WeightsError(
            f"{path}: holds {_kind(root)}, expected a dict of named weights"
        )
    arrays = {}
    for name, value in root.items():
        if hasattr(value, "array") and isinstance(name, str):
            arrays[name] = value.array()
        else:
            extras[str(name)] = _kind(value)
    if not arrays:
        raise WeightsError(f"{path}: holds no arrays; expected a dict of named weights")
    # DataParallel wraps the model in an attribute.
    if all(name.startswith("module.") for name in arrays):
        arrays = {k.removeprefix("module."): v for k, v in arrays.items()}
    return Source(arrays, extras)


def _kind(value) -> str:
    if isinstance(value, (str, int, float, bool)):
        return repr(value)[:40]
    return type(value).__name__.lstrip("_")
