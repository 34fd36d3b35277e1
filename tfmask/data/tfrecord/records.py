"""The records of a TFRecord file, each with its number and place, and what is damaged.

A record is its length (8 bytes), a checksum of these, the data, and a checksum of the
data, see TensorFlow's `record_writer.h`. Records are counted from 1.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tfmask.data.tfrecord.crc import masked_crc, masked_crcs_of_8

_HEAD, _TAIL = 12, 4  # bytes before and behind the data of a record
_BUFFER = 8 << 20
_SEARCHED = 1 << 20  # bytes in which a next record is looked for at once


class Record(NamedTuple):
    """A sound record."""

    number: int
    offset: int  # of its data in the file, bytes
    data: bytes


class Damage(NamedTuple):
    """A record that is lost, and perhaps others behind it."""

    number: int
    message: str  # what is wrong, and where the reading goes on


def read_records(path: str) -> Iterator[Record | Damage]:
    """Every record of a file; after a damaged one the next that is sound.

    Raises:
      OSError: the file cannot be read.
    """
    import tensorflow as tf  # its reader is fast, and ends at the first damage

    with open(path, "rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            yield Damage(
                1,
                "the file is compressed by gzip, in which no record can be read by its "
                "place: decompress it (gunzip)",
            )
            return
    number, position = 0, 0
    try:
        stream = tf.data.TFRecordDataset(path, buffer_size=_BUFFER)
        for data in stream.as_numpy_iterator():
            number += 1
            yield Record(number, position + _HEAD, data)
            position += _HEAD + len(data) + _TAIL
    except tf.errors.DataLossError:
        yield from scan(path, number + 1, position)


def scan(path: str, number: int = 1, position: int = 0) -> Iterator[Record | Damage]:
    """As `read_records`, from a record on, without TensorFlow.

    Args:
      path: the file.
      number: of the first record.
      position: where it begins, bytes.
    """
    size = os.path.getsize(path)
    if position >= size:
        return
    with open(path, "rb") as stream, _mapped(stream) as content:
        while position < size:
            if size - position < _HEAD + _TAIL:
                yield Damage(number, _cut_off(size))
                return
            head = content[position : position + _HEAD]
            length, checksum = struct.unpack("<QI", head)
            if masked_crc(head[:8]) != checksum:
                next_position = _find_record(content, position + 1)
                yield Damage(number, _lost(position, next_position, size))
                position = next_position or size
            elif position + _HEAD + length + _TAIL > size:
                yield Damage(number, _cut_off(size))
                return
            else:
                start = position + _HEAD
                data = content[start : start + length]
                position = start + length + _TAIL
                (checksum,) = struct.unpack("<I", content[position - _TAIL : position])
                if masked_crc(data) == checksum:
                    yield Record(number, start, data)
                else:
                    yield Damage(
                        number,
                        f"its checksum is not that of its {length} bytes of data from "
                        f"byte {start} on: it was changed after it was written",
                    )
            number += 1


def _mapped(stream):
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _cut_off(size: int) -> str:
    return (
        f"the file ends inside it, after {size} bytes (truncated); what stood behind "
        "it is lost too"
    )


def _lost(position: int, found: int | None, size: int) -> str:
    said = f"its length, at byte {position}, does not agree with the length's checksum"
    if found is None:
        return f"{said}, and no record is found in the {size - position} bytes from it"
    return f"{said}; the reading goes on with a record at byte {found}"


def _find_record(content, position: int) -> int | None:
    """Where a length stands that agrees with its checksum and fits into the file."""
    size = len(content)
    while position + _HEAD + _TAIL <= size:
        end = min(position + _SEARCHED + _HEAD - 1, size)
        data = np.frombuffer(content[position:end], np.uint8)
        stored = np.lib.stride_tricks.sliding_window_view(data[8:], 4)
        stored = np.ascontiguousarray(stored).view("<u4")[:, 0]
        fits = masked_crcs_of_8(data)[: len(stored)] == stored
        for index in np.flatnonzero(fits).tolist():
            (length,) = struct.unpack("<Q", data[index : index + 8].tobytes())
            if position + index + _HEAD + length + _TAIL <= size:
                return position + index
        position = end - _HEAD + 1
    return None
