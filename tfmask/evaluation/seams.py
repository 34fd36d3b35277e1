"""Joining what was found on the overlapping tiles of an image.

What an object looks like to a tile follows from the geometry. One that is not longer
than the overlap lies whole in some tile; others that see a part of it hold a fragment
of it, which reaches the edge of their tile. A longer one may be cut by every tile. So

1. of instances that are whole in several tiles the best is kept;
2. a fragment is dropped where another tile sees all of it and what is around it, or
   sees an instance whole that it lies in (but not if that tile has the fragment too:
   then it is a small object in front of, or beside, a large one);
3. a fragment that is left is the same object as another one where their masks agree in
   the part of the image that both tiles see: they are joined, over any number of tiles
   (with what looks whole too, where another object hides the part at the edge);
4. a fragment that lies in a joined instance is dropped.

Only instances of one class are compared. Masks are run-length codes all the way, so
that an instance costs what its outline costs, whatever the size of the image.
"""

import math
from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.coco import segmentation
from tfmask.evaluation.prediction import Prediction
from tfmask.evaluation.rle import as_text, rle_from_crop

_SAME = 0.5  # mask IoU from which two instances are one
_INSIDE = 0.75  # share of a mask in another one from which it is a part of that
_FRAGMENT = 0.5  # likewise, of a mask that reaches an edge: it may have bled out of it
_REACH = 2  # pixels from an edge at which a mask reaches it,
_CELLS = 28  # or one cell of a mask: this part of its box
_NEAR = 4  # times as far: a mask may end so much before the edge that cuts its object
_SPECK = 16  # pixels below which lying inside another mask says nothing


class Window(NamedTuple):
    """A tile: its place in the image, pixels."""

    x1: int
    y1: int
    x2: int
    y2: int

    def common(self, other: "Window") -> "Window":
        """The part that two tiles share; of no size where they do not meet."""
        x1, y1 = max(self.x1, other.x1), max(self.y1, other.y1)
        x2, y2 = min(self.x2, other.x2), min(self.y2, other.y2)
        return Window(x1, y1, max(x1, x2), max(y1, y2))

    @property
    def pixels(self) -> int:
        return (self.x2 - self.x1) * (self.y2 - self.y1)


def tile_windows(height: int, width: int, tile: int, overlap: int) -> list[Window]:
    """Tiles that cover an image, row by row, evenly spread.

    Args:
      height, width: of the image.
      tile: side of a tile; a side of the image that is shorter is not cut.
      overlap: neighbours share at least so many pixels; less than `tile`.
    """
    rows, columns = _starts(height, tile, overlap), _starts(width, tile, overlap)
    return [
        Window(x, y, min(x + tile, width), min(y + tile, height))
        for y in rows
        for x in columns
    ]


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    count = math.ceil((length - overlap) / (tile - overlap))
    return [(length - tile) * i // (count - 1) for i in range(count)]


def join_tiles(
    size: tuple[int, int], windows: list[Window], predictions: list[Prediction]
) -> Prediction:
    """The instances of an image from those of its tiles.

    Args:
      size: (height, width) of the image.
      windows: the tiles.
      predictions: of each tile, in pixels of the tile.

    Returns:
      In pixels of the image, by falling score. Joined instances have the box around
      their parts' boxes, and the best scores among them.
    """
    found = _Instances(size, windows, predictions)
    pairs = _pairs(found, windows)
    alive = np.ones(len(found.scores), bool)
    _drop_doubles(found, pairs, alive)
    alive &= ~found.seen_better
    _drop_covered(found, pairs, alive)
    groups = _join(found, pairs, alive)
    return found.prediction(_drop_parts(found, groups))


class _Instances:
    """What the tiles hold, in pixels of the image; n instances."""

    def __init__(self, size, windows, predictions):
        self.size = (int(size[0]), int(size[1]))
        offsets = [
            np.tile(np.array([w.x1, w.y1], np.float32), (len(p.scores), 2))
            for w, p in zip(windows, predictions)
        ]
        self.tiles = np.repeat(
            np.arange(len(windows)), [len(p.scores) for p in predictions]
        )
        self.boxes = np.concatenate([p.boxes for p in predictions]).reshape(-1, 4)
        self.boxes = self.boxes + np.concatenate(offsets).reshape(-1, 4)
        self.scores = np.concatenate([p.scores for p in predictions])
        self.labels = np.concatenate([p.labels for p in predictions])
        self.masks = self._moved(windows, [p.masks for p in predictions])
        # One by one: pycocotools' area takes no more than 255 codes at once.
        self.areas = np.array([mask_utils.area(m) for m in self.masks]).astype(float)
        ranks, edges = predictions[0].mask_scores, predictions[0].boundaries
        self.mask_scores = self.boundaries = None
        if ranks is not None:
            self.mask_scores = np.concatenate([p.mask_scores for p in predictions])
        if edges is not None:
            self.boundaries = self._moved(windows, [p.boundaries for p in predictions])
        # [n, 4] x1 y1 x2 y2 of the pixels of each mask; of the box where it has none.
        self.extents = self.boxes.copy()
        if self.masks:
            around = mask_utils.toBbox(self.masks)
            around[:, 2:] += around[:, :2]
            self.extents = np.where(self.areas[:, None] > 0, around, self.boxes)
        # [n] bool: it reaches an edge of its tile inside the image; or nearly so; or it
        # does and another tile sees all that is left of it, and what is around it.
        self.cut, self.near, self.seen_better = self._at_edges(windows)

    def _moved(self, windows, codes) -> list[dict]:
        """Run-length codes of tiles as codes of the image."""
        return [
            _moved(code, window, self.size)
            for window, tile in zip(windows, codes)
            for code in tile
        ]

    def _at_edges(self, windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = self.size
        low, high = self.extents[:, :2], self.extents[:, 2:]
        reach = np.maximum((high - low) / _CELLS, _REACH)
        cut, near, elsewhere = np.zeros((3, len(low)), bool)
        for t, window in enumerate(windows):
            # An edge of the image cuts nothing: it is as if it were far away.
            first = np.array([window.x1 or -np.inf, window.y1 or -np.inf])
            last = np.array(
                [
                    np.inf if window.x2 == width else window.x2,
                    np.inf if window.y2 == height else window.y2,
                ]
            )
            room = np.minimum(low - first, last - high)
            inside = (room >= reach).all(axis=1)
            own = self.tiles == t
            cut |= own & ~inside
            near |= own & (room < _NEAR * reach).any(axis=1)
            elsewhere |= inside & ~own
        return cut, near, cut & elsewhere

    def union(self, members: list[int]) -> dict:
        """The mask that several instances have together."""
        return _united([self.masks[i] for i in members])

    def prediction(self, groups: list[list[int]]) -> Prediction:
        """An instance for each group, by falling score."""
        best = np.array([self.scores[g].max() for g in groups], np.float32)
        order = np.argsort(-best, kind="stable")
        groups = [groups[i] for i in order]
        boxes = [
            [*self.boxes[g, :2].min(axis=0), *self.boxes[g, 2:].max(axis=0)]
            for g in groups
        ]
        ranks = edges = None
        if self.mask_scores is not None:
            ranks = np.array([self.mask_scores[g].max() for g in groups], np.float32)
        if self.boundaries is not None:
            edges = [_united([self.boundaries[i] for i in g]) for g in groups]
        return Prediction(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=best[order],
            labels=self.labels[[g[0] for g in groups]].astype(np.int32),
            masks=[self.union(g) for g in groups],
            size=self.size,
            mask_scores=ranks,
            boundaries=edges,
        )


class _Pairs(NamedTuple):
    """Instances i, j of one class, of tiles that meet, whose masks do; P pairs."""

    i: np.ndarray  # [P] int
    j: np.ndarray  # [P] int
    common: np.ndarray  # [P] float, pixels that both hold
    # [P] float, pixels of each in the part of the image that both tiles see; 0 where
    # neither is cut: of those nothing is asked there.
    seen_i: np.ndarray
    seen_j: np.ndarray

    @property
    def either(self) -> np.ndarray:
        """[P] float, pixels there that one of them or both hold."""
        return self.seen_i + self.seen_j - self.common


def _pairs(found: _Instances, windows: list[Window]) -> _Pairs:
    rows: list[tuple] = []
    members = [np.flatnonzero(found.tiles == t) for t in range(len(windows))]
    for a, first in enumerate(windows):
        for b in range(a + 1, len(windows)):
            shared = first.common(windows[b])
            if shared.pixels:
                rows += _pairs_in(found, shared, members[a], members[b])
    table = np.array(rows, float).reshape(-1, 5).T
    return _Pairs(table[0].astype(int), table[1].astype(int), *table[2:])


def _pairs_in(found: _Instances, shared: Window, first, second) -> list[tuple]:
    """The pairs of two tiles that share a part of the image."""

    def meets(indices):
        box = found.extents[indices]
        inside = (box[:, :2] < shared[2:]) & (box[:, 2:] > shared[:2])
        return indices[inside.all(axis=1) & (found.areas[indices] > 0)]

    first, second = meets(first), meets(second)
    if not len(first) or not len(second):
        return []
    ious = mask_utils.iou(
        [found.masks[i] for i in first],
        [found.masks[j] for j in second],
        [0] * len(second),
    )
    ious *= found.labels[first][:, None] == found.labels[second]
    frame = _rectangle(shared, found.size)
    seen: dict[int, float] = {}

    def seen_pixels(k: int) -> float:
        if k not in seen:
            code = mask_utils.merge([found.masks[k], frame], intersect=True)
            seen[k] = float(mask_utils.area(code))
        return seen[k]

    rows = []
    for row, column in np.argwhere(ious > 0):
        i, j, iou = first[row], second[column], ious[row, column]
        common = iou * (found.areas[i] + found.areas[j]) / (1 + iou)
        cut = found.cut[i] or found.cut[j]
        parts = (seen_pixels(i), seen_pixels(j)) if cut else (0.0, 0.0)
        rows.append((i, j, common, *parts))
    return rows


def _drop_doubles(found: _Instances, pairs: _Pairs, alive: np.ndarray) -> None:
    """Of instances that two tiles see whole, the best is left.

    What lies in a larger one and near an edge of its own tile is a fragment of that.
    """
    whole = ~found.cut[pairs.i] & ~found.cut[pairs.j]
    i, j, common = pairs.i[whole], pairs.j[whole], pairs.common[whole]
    areas_i, areas_j = found.areas[i], found.areas[j]
    same = common / (areas_i + areas_j - common) >= _SAME
    better = np.where(found.scores[i] >= found.scores[j], i, j)
    worse = i + j - better
    larger = np.where(areas_i >= areas_j, i, j)
    smaller = i + j - larger
    inside = (common / found.areas[smaller] >= _INSIDE) & found.near[smaller]
    inside &= ~_has_twin(found, i[same], j[same], smaller, larger)
    for mask, kept, dropped in ((same, better, worse), (inside, larger, smaller)):
        chosen = np.flatnonzero(mask)
        for p in chosen[np.argsort(-found.scores[kept[chosen]], kind="stable")]:
            if alive[kept[p]]:
                alive[dropped[p]] = False


def _has_twin(found: _Instances, i, j, small, large) -> np.ndarray:
    """Whether the tile of `large` has an instance of its own for what is `small`.

    Args:
      found: the instances.
      i, j: pairs that are the same object, of two tiles.
      small, large: [Q] indices of instances.
    """
    tiles = found.tiles.max(initial=0) + 1
    known = np.concatenate([i * tiles + found.tiles[j], j * tiles + found.tiles[i]])
    return np.isin(small * tiles + found.tiles[large], known)


def _drop_covered(found: _Instances, pairs: _Pairs, alive: np.ndarray) -> None:
    """Drops fragments of what another tile sees whole."""
    both = found.cut[pairs.i] & found.cut[pairs.j]
    twins = both & (pairs.common >= _SAME * pairs.either)
    for fragment, other in ((pairs.i, pairs.j), (pairs.j, pairs.i)):
        covered = pairs.common / found.areas[fragment] >= _FRAGMENT
        covered &= found.cut[fragment] & ~found.cut[other] & alive[other]
        covered &= ~_has_twin(found, pairs.i[twins], pairs.j[twins], fragment, other)
        alive[fragment[covered]] = False


def _join(found: _Instances, pairs: _Pairs, alive: np.ndarray) -> list[list[int]]:
    """Groups of instances that are one."""
    parent = np.arange(len(alive))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    live = alive[pairs.i] & alive[pairs.j] & (pairs.seen_i > 0) & (pairs.seen_j > 0)
    smaller = np.minimum(pairs.seen_i, pairs.seen_j)
    both = found.cut[pairs.i] & found.cut[pairs.j]
    agree = pairs.common >= np.where(both, _SAME, _INSIDE) * pairs.either
    # An arm of a branched object, alone in its tile.
    inside = both & (pairs.common >= _INSIDE * smaller) & (smaller >= _SPECK)
    for p in np.flatnonzero(live & (agree | inside)):
        parent[root(pairs.i[p])] = root(pairs.j[p])
    groups: dict[int, list[int]] = {}
    for k in np.flatnonzero(alive).tolist():
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _drop_parts(found: _Instances, groups: list[list[int]]) -> list[list[int]]:
    """Groups without single fragments that lie in a joined instance of other tiles."""
    single = [g for g in groups if len(g) == 1 and found.cut[g[0]]]
    joined = [g for g in groups if len(g) > 1]
    if not single or not joined:
        return groups
    unions = [found.union(g) for g in joined]
    around = mask_utils.toBbox(unions)
    around[:, 2:] += around[:, :2]
    dropped = set()
    for (k,) in single:
        box = found.extents[k]
        near = (around[:, :2] < box[2:]) & (around[:, 2:] > box[:2])
        for g in np.flatnonzero(near.all(axis=1)):
            others = joined[g]
            if found.labels[others[0]] != found.labels[k] or not found.areas[k]:
                continue
            if found.tiles[k] in found.tiles[others]:
                continue
            code = mask_utils.merge([found.masks[k], unions[g]], intersect=True)
            if mask_utils.area(code) >= _FRAGMENT * found.areas[k]:
                dropped.add(k)
    return [g for g in groups if len(g) > 1 or g[0] not in dropped]


def _united(codes: list[dict]) -> dict:
    return codes[0] if len(codes) == 1 else as_text(mask_utils.merge(codes))


def _moved(code: dict, window: Window, size: tuple[int, int]) -> dict:
    """A run-length code of a tile as one of the image."""
    height, width = code["size"]
    x, y, w, h = (int(v) for v in mask_utils.toBbox(code))
    if not w or not h:
        return rle_from_crop(np.zeros((1, 1), bool), 0, 0, size)
    parsed, _ = segmentation.parse(code, height, width)
    crop = segmentation.decode_window(parsed, height, width, (x, y, x + w, y + h))
    return rle_from_crop(crop.T > 0, window.x1 + x, window.y1 + y, size)


def _rectangle(window: Window, size: tuple[int, int]) -> dict:
    sides = window.x2 - window.x1, window.y2 - window.y1
    return rle_from_crop(np.ones(sides, bool), window.x1, window.y1, size)
