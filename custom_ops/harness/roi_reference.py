"""Shape-aware RoIAlign and its gradients in NumPy, in float64, box by box.

An axis of a box is a list of readings, one a sample on the map: the pair of cells
around the sample with their weights, and the same in the mask.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Case:
    """One call. `stored` are the features as the kernel reads them (bfloat16: uint16).

    Shapes: stored one `[B, H, W, C]` per level, boxes `[M, 4]` float32, batch_indices
    and levels `[M]` int32, masks `[M, Hp, Wp]` or None. With `level_areas` the kernel
    does not see `levels`, which are then what it must choose.
    """

    name: str
    dtype: str
    stored: list[np.ndarray]
    strides: list[float]
    boxes: np.ndarray
    batch_indices: np.ndarray
    levels: np.ndarray
    masks: np.ndarray | None
    size: int
    sampling_ratio: int
    aligned: bool
    inclusive: bool = False
    level_areas: list[float] | None = None

    def features(self, level: int) -> np.ndarray:
        """The level's features in float64."""
        return widen(self.stored[level], self.dtype)

    def is_valid(self, m: int) -> bool:
        image, level = self.batch_indices[m], self.levels[m]
        if not (0 <= level < len(self.stored) and image >= 0):
            return False
        batch, height, width, _ = self.stored[level].shape
        return bool(image < batch and height and width)


def to_stored(values: np.ndarray, dtype: str) -> np.ndarray:
    """Rounded to nearest even; bfloat16 as uint16, the upper half of float32."""
    if dtype != "bfloat16":
        return values.astype(dtype)
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), bits >> 16 | 64, rounded).astype(np.uint16)


def widen(stored: np.ndarray, dtype: str) -> np.ndarray:
    """What `to_stored` returned, as float64."""
    if dtype == "bfloat16":
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float64)


def levels_by_area(boxes: np.ndarray, areas: list[float]) -> np.ndarray:
    """How many of the ascending areas each box reaches, int32."""
    with np.errstate(invalid="ignore"):  # Some boxes are not finite.
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(0))
        area = sides[:, 0] * sides[:, 1]
        reached = area[:, np.newaxis] >= np.array(areas, np.float32)
    return reached.sum(1).astype(np.int32)


@dataclass
class Axis:
    """The samples of one axis that are on the map."""

    bins: np.ndarray  # [n] which bin
    samples: int  # a bin, on the map or not
    cells: tuple  # low [n], high [n], weight of high [n]
    mask: tuple

    def mix(self, values: np.ndarray, axis: int, pair: tuple) -> np.ndarray:
        low, high, weight = pair
        shape = [1] * values.ndim
        shape[axis] = len(weight)
        weight = weight.reshape(shape)
        return values.take(low, axis) * (1 - weight) + values.take(high, axis) * weight

    def ends(self, pair: tuple):
        low, high, weight = pair
        return (low, 1 - weight), (high, weight)

    def matrix(self, pair: tuple, extent: int) -> np.ndarray:
        """Weights `[n, extent]`."""
        matrix = np.zeros((len(pair[2]), extent))
        for cells, weights in self.ends(pair):
            np.add.at(matrix, (np.arange(len(weights)), cells), weights)
        return matrix


def _pair(places: np.ndarray, extent: int) -> tuple:
    places = np.clip(places, 0, extent - 1)
    low = places.astype(np.int64)
    return low, np.minimum(low + 1, extent - 1), places - low


def axis_of(case: Case, m: int, axis: int, mask_extent: int) -> Axis:
    """Axis 0 is y."""
    level = case.levels[m]
    box = case.boxes[m] - np.float32([0, 0, 1, 1]) * np.float32(case.inclusive)
    box = box if np.isfinite(box).all() else np.zeros(4, np.float32)
    low, high = np.clip(box, -1e6, 1e6).astype(np.float32)[[1 - axis, 3 - axis]]
    # float32 up to the ceiling: a side that is a multiple of the bins must stay one.
    stride = np.float32(case.strides[level])
    start = low / stride - np.float32(0.5 if case.aligned else 0)
    side = high / stride - np.float32(0.5 if case.aligned else 0) - start
    side = np.maximum(side, np.float32(0 if case.aligned else 1))
    samples = case.sampling_ratio
    if samples == 0:
        samples = int(np.ceil(np.clip(side / np.float32(case.size), 1, 4096)))
    count = case.size * samples
    extent = case.stored[level].shape[1 + axis]
    k = np.arange(count)
    places = float(start) + (k + 0.5) * (float(side) / count)
    k = k[(places >= -1) & (places <= extent)]
    mask_places = (k + 0.5) / count * mask_extent - 0.5
    return Axis(
        k // samples, samples, _pair(places[k], extent), _pair(mask_places, mask_extent)
    )


def _axes(case: Case, m: int):
    sides = (1, 1) if case.masks is None else case.masks.shape[1:]
    return axis_of(case, m, 0, sides[0]), axis_of(case, m, 1, sides[1])


def _probabilities(case: Case, m: int, y: Axis, x: Axis) -> np.ndarray:
    """Masks at the samples, divided by the number of samples of a bin."""
    mask = np.ones((1, 1)) if case.masks is None else case.masks[m].astype(np.float64)
    return x.mix(y.mix(mask, 0, y.mask), 1, x.mask) / (y.samples * x.samples)


def pool(case: Case) -> np.ndarray:
    """`[M, S, S, C]` float64."""
    size, channels = case.size, case.stored[0].shape[-1]
    out = np.zeros((len(case.boxes), size, size, channels))
    for m in range(len(case.boxes)):
        if not case.is_valid(m):
            continue
        y, x = _axes(case, m)
        image = case.features(case.levels[m])[case.batch_indices[m]]
        samples = x.mix(y.mix(image, 0, y.cells), 1, x.cells)
        samples *= _probabilities(case, m, y, x)[..., np.newaxis]
        np.add.at(out[m], (y.bins[:, np.newaxis], x.bins[np.newaxis]), samples)
    return out


def gradients(case: Case, grad_out: np.ndarray):
    """Gradients of `sum(pool * grad_out)`: one array per level, masks or None."""
    grad_features = [np.zeros(f.shape) for f in case.stored]
    grad_masks = None if case.masks is None else np.zeros(case.masks.shape)
    for m in range(len(case.boxes)):
        if not case.is_valid(m):
            continue
        y, x = _axes(case, m)
        level, index = case.levels[m], case.batch_indices[m]
        image = case.features(level)[index]
        grad = grad_out[m].astype(np.float64)[np.ix_(y.bins, x.bins)]  # [ny, nx, C]
        height, width = image.shape[:2]
        down, across = y.matrix(y.cells, height), x.matrix(x.cells, width)
        weighted = grad * _probabilities(case, m, y, x)[..., np.newaxis]
        rows = np.tensordot(down, weighted, ((0,), (0,)))  # [H, nx, C]
        grad_features[level][index] += np.einsum("hnc,nw->hwc", rows, across)
        if grad_masks is not None:
            samples = x.mix(y.mix(image, 0, y.cells), 1, x.cells)
            dots = (grad * samples).sum(-1) / (y.samples * x.samples)
            # Not by matrices: 0 * NaN would reach cells that no sample reads.
            for rows, row_weights in y.ends(y.mask):
                for columns, column_weights in x.ends(x.mask):
                    at = rows[:, np.newaxis], columns[np.newaxis]
                    weights = row_weights[:, np.newaxis] * column_weights
                    np.add.at(grad_masks[m], at, weights * dots)
    return grad_features, grad_masks
