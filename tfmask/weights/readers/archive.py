"""Zip files of arrays: NumPy's .npz, and the container of PyTorch's .pth."""

import io
import math
import os
import struct
import zipfile
import zlib

import numpy as np

from tfmask.errors import WeightsError

# Trained weights hardly compress; what expands a hundredfold is made to fill memory.
_MAX_RATIO = 100
_SMALL = 1 << 24  # bytes that may be compressed at any ratio: a file of zero biases
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,  # an encrypted member
    struct.error,
    OSError,
)


class Archive:
    """An open zip file whose declared sizes have been checked.

    Args:
      path: the file.
      stored: every member must lie uncompressed, as PyTorch writes them.

    Raises:
      WeightsError: truncated, not a zip file, or larger inside than it can be.
    """

    def __init__(self, path: str, stored: bool = False):
        self.path = path
        if not os.path.isfile(path):
            raise WeightsError(f"{path}: no such file")
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        members = self._zip.infolist()
        self.members = {m.filename: m for m in members}
        actual = os.path.getsize(path)
        declared = sum(m.file_size for m in members)
        packed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
        limit = actual if stored or not packed else max(_MAX_RATIO * actual, _SMALL)
        if declared > limit or len(members) != len(self.members):
            raise WeightsError(
                f"{path}: its members claim {declared} bytes in a file of {actual}; "
                "refused as a zip bomb"
            )
        if stored and packed:
            raise WeightsError(
                f"{path}: has compressed members, which PyTorch does not write; save "
                "it again with torch.save"
            )

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        try:
            return self._zip.read(self.members[name])
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error

    def close(self) -> None:
        self._zip.close()


def read_npz(path: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name. Never unpickles.

    Raises:
      WeightsError: damaged, an array of Python objects, or a shape that does not fit.
    """
    archive = Archive(path)
    try:
        return {
            name.removesuffix(".npy"): _parse_npy(archive.read(name), path, name)
            for name in archive.members
        }
    finally:
        archive.close()


def _parse_npy(data: bytes, path: str, name: str) -> np.ndarray:
    stream = io.BytesIO(data)
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, fortran, dtype = headers[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError, SyntaxError, TypeError) as error:
        raise _damaged(f"{path}: {name}", error) from error
    if dtype.hasobject or dtype.kind not in "biuf":
        raise WeightsError(
            f"{path}: {name} holds {dtype}, not numbers; refused, nothing of it was run"
        )
    if stream.tell() + math.prod(shape) * dtype.itemsize != len(data):
        raise WeightsError(
            f"{path}: {name} claims shape {list(shape)}, which does not fit its "
            f"{len(data)} bytes; download the file again"
        )
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _damaged(path, error):
    return WeightsError(
        f"{path}: not a readable zip archive, truncated or damaged "
        f"({type(error).__name__}: {str(error)[:120]}); download it again"
    )
