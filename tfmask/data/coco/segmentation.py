"""Masks of 0 and 1 from checked segmentations.

The functions here take only what `parse` returns (see `segmentation_checks`).
Run-length codes are decoded in numpy; polygons are rasterised by pycocotools, whose
result is the definition of a COCO mask.
"""

import numpy as np
from pycocotools import mask as coco_mask

from tfmask.data.coco.segmentation_checks import RLE, Polygons, Segmentation, parse

_UPSAMPLING = 5.0  # steps per pixel of pycocotools' rasteriser


def decode(segmentation: Segmentation, height: int, width: int) -> np.ndarray:
    """The instance's mask, as pycocotools has it: [height, width] uint8, 0 or 1."""
    if isinstance(segmentation, RLE):
        return decode_window(segmentation, height, width, (0, 0, width, height))
    outlines = [part.ravel().tolist() for part in segmentation.parts]
    return _rasterise(outlines, height, width)


def _rasterise(outlines: list, height: int, width: int) -> np.ndarray:
    codes = coco_mask.frPyObjects(outlines, height, width)
    return coco_mask.decode(codes[0] if len(codes) == 1 else coco_mask.merge(codes))


def decode_window(
    segmentation: Segmentation, height: int, width: int, window
) -> np.ndarray:
    """A part of the mask, without decoding the whole.

    Equal to that part of `decode`, but for the odd pixel of a polygon where the
    rasteriser's arithmetic has a tie.

    Args:
      segmentation: from `parse`.
      height, width: the image's, pixels.
      window: (x1, y1, x2, y2) integers inside the image.

    Returns:
      [y2 - y1, x2 - x1] uint8, 0 or 1.
    """
    x1, y1, x2, y2 = window
    if isinstance(segmentation, RLE):
        ends = np.cumsum(segmentation.counts, dtype=np.int64)
        low, high = x1 * height, x2 * height
        first = np.searchsorted(ends, low, "right")
        stop = np.searchsorted(ends, high, "left") + 1
        edges = np.clip(ends[first:stop], low, high)
        lengths = np.diff(edges, prepend=low)
        ones = (np.arange(first, first + len(lengths)) & 1).astype(np.uint8)
        return np.repeat(ones, lengths).reshape(x2 - x1, height).T[y1:y2]
    # Only the part of the image that the outline spans is rasterised.
    left, top, right, bottom = extent(segmentation, height, width)
    x1, x2 = x1 - left, x2 - left
    y1, y2 = y1 - top, y2 - top
    out = np.zeros((y2 - y1, x2 - x1), np.uint8)
    if right <= left or bottom <= top:
        return out
    outlines = [_moved(part, (left, top)) for part in segmentation.parts]
    drawn = _rasterise(outlines, bottom - top, right - left)
    rows = slice(max(y1, 0), min(y2, bottom - top))
    columns = slice(max(x1, 0), min(x2, right - left))
    if rows.start < rows.stop and columns.start < columns.stop:
        out[
            rows.start - y1 : rows.stop - y1, columns.start - x1 : columns.stop - x1
        ] = drawn[rows, columns]
    return out


def _moved(part: np.ndarray, origin) -> list[float]:
    """An outline relative to `origin`, which the rasteriser draws as it would there.

    It truncates 5 x + 0.5 towards zero. That is done here in the whole image's frame;
    the numbers that are returned truncate to the same steps, negative ones included.
    """
    steps = np.trunc(_UPSAMPLING * part + 0.5) - _UPSAMPLING * np.array(origin)
    return ((steps - 0.9 * (steps < 0)) / _UPSAMPLING).ravel().tolist()


def extent(segmentation: Segmentation, height: int, width: int) -> tuple:
    """Integers (x1, y1, x2, y2) inside the image that hold every pixel of the mask.

    Tight for run-length codes; x2 <= x1 or y2 <= y1 when there is no pixel.
    """
    if isinstance(segmentation, RLE):
        return _rle_extent(segmentation)
    low = np.min([part.min(0) for part in segmentation.parts], 0)
    high = np.max([part.max(0) for part in segmentation.parts], 0)
    x1, y1 = np.maximum(np.floor(low), 0).astype(int)
    x2 = min(int(np.ceil(high[0])) + 1, width)
    y2 = min(int(np.ceil(high[1])) + 1, height)
    return int(x1), int(y1), x2, y2


def _rle_extent(code: RLE) -> tuple:
    ends = np.cumsum(code.counts, dtype=np.int64)
    starts, stops = ends[:-1:2], ends[1::2]
    starts = starts[: len(stops)]
    kept = stops > starts
    starts, stops = starts[kept], stops[kept] - 1
    if not len(starts):
        return 0, 0, 0, 0
    height = code.height
    first, last = starts // height, stops // height
    x1, x2 = int(first[0]), int(last[-1]) + 1
    if (first != last).any():  # a run over the end of a column touches both edges
        return x1, 0, x2, height
    return x1, int((starts % height).min()), x2, int((stops % height).max()) + 1


def tight_box(segmentation: Segmentation, height: int, width: int):
    """Box [4] float32 around the mask's pixels, or None when it has none."""
    x1, y1, x2, y2 = extent(segmentation, height, width)
    if x2 <= x1 or y2 <= y1:
        return None
    drawn = decode_window(segmentation, height, width, (x1, y1, x2, y2))
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    if not len(rows):
        return None
    edges = [x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1]
    return np.array(edges, np.float32)


def area(segmentation: Segmentation, height: int, width: int) -> int:
    """Number of pixels of the mask."""
    if isinstance(segmentation, RLE):
        return int(segmentation.counts[1::2].sum(dtype=np.int64))
    window = extent(segmentation, height, width)
    if window[2] <= window[0] or window[3] <= window[1]:
        return 0
    return int(decode_window(segmentation, height, width, window).sum())


def from_mask(mask: np.ndarray) -> RLE:
    """The run-length code of a mask.

    Args:
      mask: [height, width]; what is not 0 belongs to the instance.
    """
    height, width = mask.shape
    flat = (mask != 0).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = [0, 0] if flat[0] else [0]  # the first run is of zeros
    counts = np.diff(np.concatenate([start, edges, [flat.size]]))
    return RLE(counts.astype(np.int32), height, width)


def to_coco(segmentation: Segmentation):
    """The JSON form: a list of polygons, or an uncompressed run-length code."""
    if isinstance(segmentation, RLE):
        size = [segmentation.height, segmentation.width]
        return {"size": size, "counts": segmentation.counts.tolist()}
    return [part.ravel().tolist() for part in segmentation.parts]


__all__ = [
    "RLE",
    "Polygons",
    "Segmentation",
    "area",
    "decode",
    "decode_window",
    "extent",
    "from_mask",
    "parse",
    "tight_box",
    "to_coco",
]
