"""The sizes that batches of training are padded to.

Every new size of a batch is a new shape of each convolution, which cuDNN plans, and
with autotuning measures, before it computes: minutes in all. On a GPU batches are
padded to one of a few sizes; on a CPU, where padding costs arithmetic and shapes cost
nothing, as little as can be.
"""

from collections.abc import Sequence

import numpy as np

from tfmask.config import DataConfig

_SHORT, _LONG = 2, 5  # lengths of the shorter and of the longer side

Size = tuple[int, int]  # height, width


def canvases(config: DataConfig, kind: str) -> tuple[Size, ...]:
    """The sizes to pad to, the smallest first.

    Args:
      config: short_side, max_side, pad_multiple.
      kind: `tight`: none, each batch is padded to the multiples of `pad_multiple` that
        hold it. `buckets`: about twenty, from the shortest to the longest sides that
        occur. `fixed`: one for wide images, one for high ones, and one for a batch of
        both.

    Raises:
      ValueError: another kind.
    """
    if kind == "tight":
        return ()
    if kind not in ("buckets", "fixed"):
        raise ValueError(f"kind={kind!r}: expected 'tight', 'buckets' or 'fixed'")
    multiple = config.pad_multiple
    shortest, short, long = (
        -(-side // multiple)
        for side in (
            min(*config.short_side, config.max_side),
            min(max(config.short_side), config.max_side),
            config.max_side,
        )
    )
    shorts, longs = {short}, {long}
    if kind == "buckets":
        shorts = _steps(shortest, short, _SHORT)
        longs = _steps(short, long, _LONG)
    sizes = {(a * multiple, b * multiple) for a in shorts for b in longs}
    sizes |= {(width, height) for height, width in sizes}
    sizes.add((long * multiple, long * multiple))
    return tuple(sorted(sizes, key=lambda size: (size[0] * size[1], size)))


def padded_to(size: Size, canvases: Sequence[Size]) -> Size:
    """The smallest canvas that holds a size; the size itself where none does."""
    height, width = size
    for canvas in canvases:
        if height <= canvas[0] and width <= canvas[1]:
            return canvas
    return size


def _steps(first: int, last: int, most: int) -> set[int]:
    """At most so many numbers up to `last`, evenly spaced from above `first` on."""
    count = min(most, last - first + 1)
    return set(np.ceil(np.linspace(last, first, count + 1)[:-1]).astype(int).tolist())
