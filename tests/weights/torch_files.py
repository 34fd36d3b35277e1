"""Writes PyTorch's file formats byte by byte, without PyTorch."""

import io
import struct
import zipfile

import numpy as np

_TYPES = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage"}


class Raw(bytes):
    """Pickle opcodes that go into the stream as they are."""


def call(module: str, name: str, *arguments) -> Raw:
    """Opcodes that call a global, as a malicious file would."""
    return Raw(
        f"c{module}\n{name}\n".encode()
        + b"("
        + b"".join(encode(a) for a in arguments)
        + b"tR"
    )


def encode(value) -> bytes:
    """Opcodes of plain values."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(encode, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(encode, value)) + b"e"
    if isinstance(value, dict):
        items = b"".join(encode(k) + encode(v) for k, v in value.items())
        return b"}(" + items + b"u"
    raise TypeError(type(value))


def pickle_of(value) -> bytes:
    """A whole pickle, protocol 2."""
    return b"\x80\x02" + encode(value) + b"."


def tensor(label: str, array: np.ndarray, legacy=False) -> Raw:
    """A tensor that refers to storage `label`."""
    kind = _TYPES[array.dtype.str[1:]]
    storage = Raw(
        b"("
        + encode("storage")
        + f"ctorch\n{kind}\n".encode()
        + encode(label)
        + encode("cpu")
        + encode(array.size)
        + (b"N" if legacy else b"")
        + b"tQ"
    )
    strides = tuple(s // array.itemsize for s in array.strides)
    hooks = Raw(b"ccollections\nOrderedDict\n)R")
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage,
        0,
        array.shape,
        strides,
        False,
        hooks,
    )


def write_zip(path, arrays: dict, wrap=lambda weights: weights) -> str:
    """A `.pth` as torch.save writes it."""
    arrays = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    tree = {name: tensor(str(i), a) for i, (name, a) in enumerate(arrays.items())}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle_of(wrap(tree)))
        file.writestr("archive/byteorder", "little")
        for i, array in enumerate(arrays.values()):
            file.writestr(f"archive/data/{i}", array.tobytes())
        file.writestr("archive/version", "3\n")
    return str(path)


def write_legacy(path, arrays: dict, wrap=lambda weights: weights) -> str:
    """A `.pth` as PyTorch wrote it before 1.6."""
    arrays = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    tree = {name: tensor(str(i), a, True) for i, (name, a) in enumerate(arrays.items())}
    magic = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")
    stream = io.BytesIO()
    stream.write(b"\x80\x02\x8a\x0a" + magic + b".")
    stream.write(pickle_of(1001))
    stream.write(pickle_of({"protocol_version": 1001, "little_endian": True}))
    stream.write(pickle_of(wrap(tree)))
    stream.write(pickle_of([str(i) for i in range(len(arrays))]))
    for array in arrays.values():
        stream.write(struct.pack("<q", array.size) + array.tobytes())
    with open(path, "wb") as file:
        file.write(stream.getvalue())
    return str(path)
