"""How far a result is from the stored one, in the terms of the stated tolerances."""

from typing import NamedTuple

import numpy as np

# What a faithful float32 port reaches.
OP = 1e-4  # one operation or loss: of the tensor's mean magnitude
DEEP = 1e-3  # the same at the end of a deep stack
BOX = 0.05  # pixels
SCORE = 1e-3
PIXELS = 0.005  # share of the pixels of a binary mask
TIE = 1e-4  # neighbours closer than this in score may swap


class Row(NamedTuple):
    """The largest deviation of one stored tensor."""

    tensor: str
    deviation: float
    tolerance: float
    unit: str

    @property
    def holds(self) -> bool:
        return bool(self.deviation <= self.tolerance)  # false for NaN


def relative(name: str, ours, theirs, tolerance: float) -> Row:
    """Largest difference over the mean magnitude of the stored tensor."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape, f"{name}: {ours.shape} against {theirs.shape}"
    deviation = np.abs(ours - theirs).max() / np.abs(theirs).mean()
    return Row(name, float(deviation), tolerance, "of mean magnitude")


def absolute(name: str, ours, theirs, tolerance: float, unit: str) -> Row:
    """Largest difference."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape, f"{name}: {ours.shape} against {theirs.shape}"
    return Row(name, float(np.abs(ours - theirs).max()), tolerance, unit)


def unequal(name: str, ours, theirs, tolerance: float, unit: str) -> Row:
    """Share of unequal entries; of the worst row, where there are several."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{name}: {ours.shape} against {theirs.shape}"
    differ = (ours != theirs).reshape(len(ours), -1)
    return Row(name, float(differ.mean(axis=1).max()), tolerance, unit)


def order_of(boxes, scores, wanted_boxes) -> np.ndarray:
    """Our index of each stored box, where near ties may stand in another order.

    Args:
      boxes: [n, 4] ours, by falling score.
      scores: [n] ours.
      wanted_boxes: [n, 4] stored, by falling score.

    Returns:
      [n] int, a permutation. A box whose score is not within TIE of the one at its
      place keeps its place.
    """
    free = np.ones(len(boxes), bool)
    order = np.zeros(len(boxes), int)
    for i, wanted in enumerate(wanted_boxes):
        near = np.flatnonzero(free & (np.abs(scores - scores[i]) < TIE))
        if not len(near):
            near = np.flatnonzero(free)[:1]
        distance = np.abs(boxes[near] - wanted).max(axis=1)
        order[i] = near[distance.argmin()]
        free[order[i]] = False
    return order


def float32_norm(values: np.ndarray, lanes: int = 8) -> float:
    """L2 norm as PyTorch sums it on a CPU: float32, one accumulator a vector lane.

    Over the 12.8 million numbers of the first dense layer this rounding makes the norm
    0.1 % too small, which is as much as the tolerance: sum in the same way.

    Args:
      values: in PyTorch's layout.
      lanes: floats in a vector register.
    """
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    whole = len(flat) // lanes * lanes
    squares = np.square(flat[:whole]).reshape(-1, lanes)
    # Along the first axis NumPy adds row after row, without pairing.
    sums = np.add.reduce(squares, axis=0, dtype=np.float32)
    return float(np.sqrt(sums.sum() + np.square(flat[whole:]).sum()))
