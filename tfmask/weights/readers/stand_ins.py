"""What a pickle gets in place of NumPy's and PyTorch's classes and functions.

Each stand-in checks its arguments, and none can be changed from inside a pickle.
"""

import collections
import math
from collections.abc import Callable
from typing import Literal

import numpy as np

# PyTorch's storage classes. bfloat16 has no NumPy type: read as bits, widened later.
_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"}


class _Sealed:
    """Base of all that a pickle gets hold of: it cannot be changed from there."""

    __slots__ = ()

    def __setattr__(self, name, value):
        raise ValueError(f"attribute {name} cannot be set from a pickle")

    def __setstate__(self, state):
        raise ValueError("state cannot be set from a pickle")


class _Function(_Sealed):
    __slots__ = ("call",)
    call: Callable

    def __init__(self, call):
        object.__setattr__(self, "call", call)

    def __call__(self, *args):
        return self.call(*args)


class StorageType(_Sealed):
    """One of PyTorch's storage classes, by its element type."""

    __slots__ = ("dtype",)
    dtype: str

    def __init__(self, dtype: str):
        object.__setattr__(self, "dtype", dtype)

    @property
    def bits(self) -> np.dtype:
        """How an element lies in the file."""
        return np.dtype("u2" if self.dtype == "bfloat16" else self.dtype)


class Storage:
    """A flat run of numbers that tensors view. `fill` is called once it is read."""

    def __init__(self, kind: StorageType, count: int):
        self.kind, self.count = kind, count
        self.values: np.ndarray | None = None

    @property
    def num_bytes(self) -> int:
        return self.count * self.kind.bits.itemsize

    def fill(self, raw: bytes, byte_order: Literal["<", ">"] = "<") -> None:
        bits = np.frombuffer(raw, self.kind.bits.newbyteorder(byte_order), self.count)
        if self.kind.dtype == "bfloat16":
            # The upper half of a float32.
            bits = (bits.astype(np.uint32) << 16).view(np.float32)
        elif self.kind.dtype == "f2":
            bits = bits.astype(np.float32)
        self.values = bits


class Tensor(_Sealed):
    """A tensor whose numbers may still have to be read."""

    __slots__ = ("storage", "offset", "shape", "strides")
    storage: "Storage"
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __init__(self, storage, offset, shape, strides):
        if not isinstance(storage, Storage):
            raise ValueError("a tensor without a storage")
        shape, strides = _sizes(shape), _sizes(strides)
        if len(shape) != len(strides):
            raise ValueError("a tensor with as many strides as axes was expected")
        (offset,) = _sizes((offset,))
        count = math.prod(shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
        # Strides of 0 would let a small file ask for any number of elements.
        if count > storage.count or (count and last >= storage.count):
            raise ValueError(f"a tensor {list(shape)} that exceeds its storage")
        for name, value in zip(self.__slots__, (storage, offset, shape, strides)):
            object.__setattr__(self, name, value)

    def array(self) -> np.ndarray:
        """The numbers, a read-only view."""
        values = self.storage.values
        if values is None:
            raise ValueError("a tensor whose numbers were not read")
        if math.prod(self.shape) == 0:
            return np.zeros(self.shape, values.dtype)
        step = values.itemsize
        return np.lib.stride_tricks.as_strided(
            values[self.offset :],
            self.shape,
            [s * step for s in self.strides],
            writeable=False,
        )


class _Dtype(_Sealed):
    __slots__ = ("value",)
    value: np.dtype

    def __init__(self, text, *_):
        if not isinstance(text, str) or text.lstrip("<>=|") not in _DTYPES:
            raise ValueError(f"an array of type {text!r}")
        object.__setattr__(self, "value", np.dtype(text))

    def __setstate__(self, state):
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise ValueError(f"byte order {order!r}")
        object.__setattr__(self, "value", self.value.newbyteorder(order))


class _Array(_Sealed):
    """What NumPy's `_reconstruct` returns: an empty array, its state follows."""

    __slots__ = ("value",)
    value: np.ndarray

    def __init__(self):
        object.__setattr__(self, "value", np.zeros(0, np.float32))

    def __setstate__(self, state):
        shape, dtype, fortran, raw = state[-4:]
        _fill_array(self, raw, dtype, shape, "F" if fortran is True else "C")

    def array(self) -> np.ndarray:
        return self.value


def _fill_array(target, raw, dtype, shape, order):
    shape = _sizes(shape)
    # A pickle written by Python 2 holds bytes as text.
    raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a type")
    if math.prod(shape) * dtype.value.itemsize != len(raw):
        raise ValueError(
            f"an array {list(shape)} that does not fit its {len(raw)} bytes"
        )
    value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)
    object.__setattr__(target, "value", value)
    return target


def _sizes(values) -> tuple[int, ...]:
    values = tuple(values)
    whole = all(type(v) is int and v >= 0 for v in values)
    # The bound on the product counts a zero as one: NumPy refuses such shapes later.
    if not whole or len(values) > 32 or math.prod(v or 1 for v in values) > 1 << 56:
        raise ValueError(f"sizes {str(values)[:60]}")
    return values


def _frombuffer(raw, dtype, shape, order):
    return _fill_array(_Array(), raw, dtype, shape, "F" if order == "F" else "C")


def _scalar(dtype, raw):
    return _fill_array(_Array(), raw, dtype, (), "C").value.item()


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _tensor(storage, offset, shape, strides, *_):
    return Tensor(storage, offset, shape, strides)


def _parameter(data, *_):
    return data


def table() -> dict:
    """(module, name) -> what a pickle gets under that name: all that there is."""
    allowed = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor"): _Function(_tensor),
        ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
        ("torch._utils", "_rebuild_parameter"): _Function(_parameter),
        ("torch", "Size"): _Function(_sizes),
        ("numpy", "ndarray"): _Sealed(),
        ("numpy", "dtype"): _Function(_Dtype),
        ("_codecs", "encode"): _Function(_encode),
        # Empty bytes, in protocols before 3.
        ("builtins", "bytes"): _Function(lambda: b""),
        ("__builtin__", "bytes"): _Function(lambda: b""),
    }
    for core in ("numpy.core", "numpy._core"):
        allowed[core + ".multiarray", "_reconstruct"] = _Function(lambda *_: _Array())
        allowed[core + ".multiarray", "scalar"] = _Function(_scalar)
        allowed[core + ".numeric", "_frombuffer"] = _Function(_frombuffer)
    for name, dtype in _STORAGES.items():
        allowed["torch", name] = StorageType(dtype)
    return allowed
