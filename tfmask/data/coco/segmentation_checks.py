"""The form of a segmentation: polygons or a run-length code, checked before any use.

`pycocotools` ends the process on polygons with huge or non-finite coordinates and
returns uninitialised memory for run-length codes that are too short, so whatever comes
from a file passes `parse` first.
"""

from typing import NamedTuple

import numpy as np

from tfmask.errors import SegmentationError

# pycocotools walks the outline in steps of 1/5 pixel and keeps every step in memory:
# an outline of 2e6 pixels takes about 0.2 GB.
MAX_OUTLINE = 2e6


class Polygons(NamedTuple):
    """The union of closed outlines, `parts[i]`: [n, 2] float64 (x, y) pixels."""

    parts: tuple[np.ndarray, ...]


class RLE(NamedTuple):
    """Column-major run lengths, first of 0s: [r] int32, sum = height * width."""

    counts: np.ndarray
    height: int
    width: int


Segmentation = Polygons | RLE


def parse(
    value, height: int, width: int
) -> tuple[Segmentation, tuple[str, str] | None]:
    """Checks a COCO `segmentation` against the image's size.

    Args:
      value: list of polygons `[[x, y, ...], ...]`, or `{"size": [h, w], "counts": c}`
        with c a list of run lengths or the compressed string. One polygon without its
        outer list is accepted, and so are polygons of which some have no area: both
        with a warning.
      height, width: the image's, pixels.

    Returns:
      The segmentation, and None or the warning's (kind, message).

    Raises:
      SegmentationError: with the kind; nothing was decoded.
    """
    if isinstance(value, (Polygons, RLE)):
        return value, None
    if isinstance(value, dict):
        return _parse_rle(value, height, width), None
    if value is None or (isinstance(value, (list, str)) and not value):
        raise SegmentationError(
            f"segmentation is {value!r}: expected polygons or a run-length code",
            "segmentation_empty",
        )
    if not isinstance(value, list):
        raise SegmentationError(
            f"segmentation is a {type(value).__name__}: expected a list of polygons "
            "or a dict with size and counts",
            "segmentation_type",
        )
    return _parse_polygons(value, height, width)


def _parse_polygons(value: list, height: int, width: int):
    warning = None
    if all(type(v) in (int, float) for v in value):
        warning = (
            "polygon_flat",
            "segmentation is one list of numbers: read as one polygon; write [[...]]",
        )
        value = [value]
    parts, short = [], 0
    for numbers in value:
        part = _polygon_array(numbers, max(height, width))
        if len(part) < 3:
            short += 1
        else:
            parts.append(part)
    if not parts:
        raise SegmentationError(
            "every polygon has fewer than three points (four numbers are not a box "
            "here): expected x, y of at least three",
            "polygon_short",
        )
    if short:
        warning = (
            "polygon_part_short",
            f"{short} of {len(value)} polygons have fewer than three points and are "
            "left out",
        )
    return Polygons(tuple(parts)), warning


def _polygon_array(numbers, side: int) -> np.ndarray:
    """One checked polygon as [n, 2] float64; n may still be too small."""
    if not isinstance(numbers, list) or not all(
        type(v) in (int, float) for v in numbers
    ):
        raise SegmentationError(
            "a polygon holds something else than numbers: expected [x, y, x, y, ...]",
            "polygon_not_numbers",
        )
    if len(numbers) % 2:
        raise SegmentationError(
            f"a polygon has {len(numbers)} numbers: expected pairs x, y",
            "polygon_odd",
        )
    try:
        flat = np.array(numbers, np.float64)
    except OverflowError:  # an integer beyond the range of float64
        flat = np.full(2, np.inf)
    if not np.isfinite(flat).all():
        raise SegmentationError(
            "a polygon has a coordinate that is not finite", "polygon_not_finite"
        )
    part = flat.reshape(-1, 2)
    if len(flat) and (flat.min() < -side or flat.max() > 2 * side):
        raise SegmentationError(
            f"a polygon has coordinates from {flat.min():g} to {flat.max():g}: "
            f"expected pixels of the image, whose longer side is {side}",
            "polygon_huge",
        )
    if len(part) * 3 * side > MAX_OUTLINE:  # cannot be reached by shorter lists
        steps = np.abs(part - np.roll(part, 1, 0)).max(1).sum()
        if steps > MAX_OUTLINE:
            raise SegmentationError(
                f"a polygon's outline is {steps:.3g} pixels long: expected at most "
                f"{MAX_OUTLINE:.0e}",
                "polygon_huge",
            )
    return part


def _parse_rle(value: dict, height: int, width: int) -> RLE:
    if "size" not in value or "counts" not in value:
        raise SegmentationError(
            f"a run-length code has the keys {sorted(map(str, value))}: expected "
            "size and counts",
            "rle_keys",
        )
    size, counts = value["size"], value["counts"]
    if not isinstance(size, (list, tuple)) or [type(s) for s in size] != [int, int]:
        raise SegmentationError(
            f"the run-length code's size is {size!r}: expected [height, width]",
            "rle_size",
        )
    if tuple(size) != (height, width):
        hint = " (they look exchanged)" if tuple(size) == (width, height) else ""
        raise SegmentationError(
            f"the run-length code's size is {list(size)}, the image's [height, width] "
            f"is [{height}, {width}]{hint}: write the code for the image",
            "rle_size_differs",
        )
    if isinstance(counts, (str, bytes)):
        lengths = _decompress(counts)
    elif isinstance(counts, list) and all(type(c) is int for c in counts):
        try:
            lengths = np.array(counts, np.int64)
        except OverflowError:
            raise SegmentationError("a run length is over 2**63", "rle_long") from None
    else:
        raise SegmentationError(
            "the run-length code's counts are neither a list of integers nor a string",
            "rle_counts",
        )
    if len(lengths) and lengths.min() < 0:
        raise SegmentationError(
            f"a run length is {lengths.min()}: expected none below 0", "rle_negative"
        )
    total, pixels = int(lengths.astype(np.float64).sum()), height * width
    if total != pixels:
        word = "short" if total < pixels else "long"
        raise SegmentationError(
            f"the run lengths add up to {total:.10g}, too {word} for the {pixels} "
            f"pixels of {height} x {width}: write the code anew",
            f"rle_{word}",
        )
    return RLE(lengths.astype(np.int32), height, width)


def _decompress(text: str | bytes) -> np.ndarray:
    """Run lengths of COCO's compressed string: [r] int64, unchecked sums.

    Every character is 48 + six bits: five of the number (low ones first), and one that
    says that more follow. Bit 16 of the last is the sign. From the fourth number on,
    each is the difference to the one two before.
    """
    if isinstance(text, str):
        text = text.encode("utf-8")
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if len(codes) and (codes.min() < 0 or codes.max() > 63):
        raise SegmentationError(
            "the run-length string has characters outside '0'..'o'", "rle_characters"
        )
    if not len(codes):
        return codes
    last = (codes & 32) == 0
    if not last[-1]:
        raise SegmentationError(
            "the run-length string ends inside a number (truncated)", "rle_truncated"
        )
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = ends - starts + 1
    if digits.max() > 7:  # 35 bits: beyond any image
        raise SegmentationError(
            "the run-length string has a number of more than 7 characters", "rle_long"
        )
    position = np.arange(len(codes)) - np.repeat(starts, digits)
    numbers = np.add.reduceat((codes & 31) << (5 * position), starts)
    numbers -= np.where(codes[ends] & 16, np.int64(1) << (5 * digits), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
