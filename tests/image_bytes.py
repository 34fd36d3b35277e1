"""Image files as bytes, made by hand where no library writes them so."""

import struct
import zlib

import cv2
import numpy as np


def encode(image: np.ndarray, extension: str, options=()) -> bytes:
    done, data = cv2.imencode(extension, image, list(options))
    assert done
    return data.tobytes()


def picture(height: int = 24, width: int = 40) -> np.ndarray:
    """A smooth picture without symmetry, RGB."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // width, y * 255 // height, (x + y) * 255 // (height + width)]
    return np.stack(channels, 2).astype(np.uint8)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\0" * 9))
    return b"\x89PNG\r\n\x1a\n" + data + png_chunk(b"IEND", b"")


def exif_block(orientation: int, order: str = "<") -> bytes:
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(order + "HHIHH", 274, 3, 1, orientation, 0)
    head = mark + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", 1) + entry + b"\0" * 4


def with_exif(jpeg: bytes, orientation: int, order: str = "<") -> bytes:
    data = b"Exif\0\0" + exif_block(orientation, order)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def with_tiff_tag(data: bytes, tag: int, kind: int, value: int) -> bytes:
    """A little-endian TIFF with one tag of its directory set, or added in its place.

    Args:
      data: a TIFF whose directory ends the file, as OpenCV writes it.
      tag: number of the tag.
      kind: 3 for 16 bits, 4 for 32 bits.
      value: its one value.
    """
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    entries = [data[start + 2 + 12 * i :][:12] for i in range(count)]
    kept = [e for e in entries if struct.unpack("<H", e[:2])[0] != tag]
    kept.append(struct.pack("<HHII", tag, kind, 1, value))
    kept.sort(key=lambda e: struct.unpack("<H", e[:2])[0])
    directory = struct.pack("<H", len(kept)) + b"".join(kept) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory
