"""Run-length codes of masks: built from a crop, read back, checked.

A code is `{"size": [height, width], "counts": text}` as COCO has it: lengths of runs
of 0 and 1 in turn, starting with 0, down the columns, packed into text.
"""

import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.coco import segmentation


def rle_from_crop(crop: np.ndarray, left: int, top: int, size) -> dict:
    """The run-length code of a mask that is empty outside a crop.

    Costs what the crop costs, not what the image costs.

    Args:
      crop: [width, height] bool, the mask inside the crop, **transposed**, so that the
        columns that the code runs along lie together in memory.
      left, top: pixel of the image at `crop[0, 0]`; the crop lies inside the image.
      size: (height, width) of the image.

    Returns:
      `{"size": [height, width], "counts": str}`.
    """
    height, width = int(size[0]), int(size[1])
    columns, rows = crop.shape
    framed = np.zeros((columns, rows + 2), np.bool_)
    framed[:, 1:-1] = crop
    # Where a pixel differs from the one above it, runs start and end in turn: every
    # framed column begins and ends with 0, so each has an even number of changes.
    changes = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    column, row = np.divmod(changes, rows + 1)
    position = (left + column) * height + top + row
    starts, ends = position[0::2], position[1::2]
    # A run that reaches the bottom of the image goes on at the top of the next column.
    if rows == height and len(starts) > 1:
        joined = ends[:-1] == starts[1:]
        starts = starts[np.concatenate([[True], ~joined])]
        ends = ends[np.concatenate([~joined, [True]])]
    edges = np.concatenate([[0], np.stack([starts, ends], 1).ravel()])
    if edges[-1] < height * width:
        edges = np.append(edges, height * width)
    return compress(np.diff(edges), (height, width))


def compress(counts: np.ndarray, size) -> dict:
    """Run lengths as a code with a text in `counts`; `counts` must fit `size`."""
    code = mask_utils.frPyObjects(
        {"size": list(size), "counts": counts.tolist()}, *size
    )
    return as_text(code)


def as_text(code: dict) -> dict:
    """The code with `counts` as str and `size` as ints, ready for JSON."""
    counts = code["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode("ascii")
    return {"size": [int(v) for v in code["size"]], "counts": counts}


def checked_rle(code, size) -> dict:
    """A code that pycocotools can be given without danger.

    Args:
      code: a dict with `size` and `counts`, a text or a list of run lengths.
      size: (height, width) that it must have.

    Returns:
      The same mask with `counts` as str.

    Raises:
      ValueError: saying what is wrong and what was expected.
    """
    if not isinstance(code, dict):
        raise ValueError(
            f"is a {type(code).__name__}: expected a run-length code, a dict with size "
            "and counts"
        )
    parsed, _ = segmentation.parse(code, int(size[0]), int(size[1]))
    as_lengths = not isinstance(code["counts"], (str, bytes))
    if isinstance(parsed, segmentation.RLE) and as_lengths:
        return compress(parsed.counts, size)
    return as_text(code)
