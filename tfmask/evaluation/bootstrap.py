"""How sure a figure is: AP over images drawn anew, with replacement.

The bootstrap over images (Efron and Tibshirani, "An Introduction to the Bootstrap",
1993, ch. 13: percentile intervals). An image that is drawn w times counts w times;
matching is within an image, so nothing has to be matched again. Two sets of results are
compared on the same draws, which takes out what is hard or easy about the images.
"""

from typing import NamedTuple

import numpy as np

from tfmask.evaluation.matching import InstanceEval

FIGURES = ("AP", "AP50", "AP75")
_CELLS = 2_000_000  # numbers of an array that is worked on at once
_COVERAGE = 0.95


class Interval(NamedTuple):
    """A figure and where it would lie on other images of the kind, with 95 % coverage.

    NaN where the figure is not defined.
    """

    value: float
    low: float
    high: float


class PairedDifference(NamedTuple):
    """A figure of two sets of results for the same images."""

    first: float
    second: float
    difference: Interval  # second - first
    better: float  # share of the draws in which the second is better; a tie counts half


class _Ranked(NamedTuple):
    """D detections of a class by falling score, I images, T IoU thresholds."""

    images: np.ndarray  # [D] int
    right: np.ndarray  # [T, D] bool
    wrong: np.ndarray  # [T, D] bool; what is neither is ignored
    objects: np.ndarray  # [I] int


class ResampledPrecision:
    """AP of an evaluation for any number of times that each image counts.

    Args:
      run: evaluated, see `matching.InstanceEval.run`.
    """

    def __init__(self, run: InstanceEval):
        self.thresholds = run.params.iouThrs
        self.recalls = run.params.recThrs
        self.images = len(run.params.imgIds)
        areas = len(run.params.areaRng)
        self._classes = [
            self._ranked(run.evalImgs[k * areas * self.images :][: self.images])
            for k in range(len(run.params.catIds))
        ]

    def _ranked(self, entries: list) -> _Ranked:
        none = np.zeros((len(self.thresholds), 0), bool)
        there = [(i, e) for i, e in enumerate(entries) if e is not None]
        images = np.repeat(
            np.array([i for i, _ in there], int),
            np.array([len(e["dtScores"]) for _, e in there], int),
        )
        scores = np.concatenate([[], *(e["dtScores"] for _, e in there)])
        found = np.concatenate([none, *(e["dtMatches"] != 0 for _, e in there)], axis=1)
        ignored = np.concatenate([none, *(e["dtIgnore"] for _, e in there)], axis=1)
        ignored = ignored.astype(bool)
        objects = np.zeros(self.images, int)
        for i, entry in there:
            objects[i] = np.count_nonzero(entry["gtIgnore"] == 0)
        order = np.argsort(-scores, kind="mergesort")
        right, wrong = found & ~ignored, ~found & ~ignored
        return _Ranked(images[order], right[:, order], wrong[:, order], objects)

    def table(self, weights: np.ndarray) -> np.ndarray:
        """AP by class and IoU threshold, pycocotools' where every weight is 1.

        Args:
          weights: [B, I] int, how often each image counts.

        Returns:
          [B, K, T] float; NaN where a class has no object in the images that count.
        """
        shape = len(weights), len(self._classes), len(self.thresholds)
        values = np.full(shape, np.nan)
        for k, ranked in enumerate(self._classes):
            step = max(_CELLS // max(len(ranked.images), 1), 1)
            for start in range(0, len(weights), step):
                rows = slice(start, start + step)
                values[rows, k] = self._of_class(ranked, weights[rows])
        return values

    def _of_class(self, ranked: _Ranked, weights: np.ndarray) -> np.ndarray:
        """[B, T]: AP of a class."""
        objects = weights @ ranked.objects  # [B]
        values = np.zeros((len(weights), len(self.thresholds)))
        counted = weights[:, ranked.images].astype(np.int64)  # [B, D]
        needed = _least(self.recalls, objects)  # [B, R]
        # A row's counts lie between those of the rows before and after it, so that one
        # search does all rows.
        apart = np.arange(len(weights))[:, None] * (int(weights.sum(1).max()) + 1)
        apart = apart * (int(ranked.objects.max(initial=0)) + 1)
        width = len(ranked.images)
        for t in range(len(self.thresholds) if width else 0):
            right = np.cumsum(counted * ranked.right[t], axis=1)
            wrong = np.cumsum(counted * ranked.wrong[t], axis=1)
            precision = right / (right + wrong + np.spacing(1))
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            padded = np.pad(precision, [(0, 0), (0, 1)])  # recall that is never reached
            place = np.searchsorted((right + apart).ravel(), (needed + apart).ravel())
            place = (
                place.reshape(needed.shape) - np.arange(len(weights))[:, None] * width
            )
            place = np.where(needed > right[:, -1:], width, place)
            values[:, t] = np.take_along_axis(padded, place, axis=1).mean(axis=1)
        values[objects == 0] = np.nan
        return values

    def figures(self, table: np.ndarray) -> dict[str, np.ndarray]:
        """AP, AP50 and AP75, [B] each, of a `table`; NaN where not defined."""
        chosen = {
            "AP": np.ones(len(self.thresholds), bool),
            "AP50": np.isclose(self.thresholds, 0.5),
            "AP75": np.isclose(self.thresholds, 0.75),
        }
        return {name: _mean(table[:, :, kept]) for name, kept in chosen.items()}


def draws(images: int, number: int, seed: int = 0) -> np.ndarray:
    """How often each image is drawn: [number, images] int, each row sums to images."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1 / images), size=number)


def intervals(run: InstanceEval, number: int = 1000) -> dict[str, Interval]:
    """AP, AP50 and AP75 of an evaluation with their intervals.

    Args:
      run: evaluated.
      number: of draws.
    """
    precision = ResampledPrecision(run)
    once = precision.figures(precision.table(_every(precision.images)))
    often = precision.figures(precision.table(draws(precision.images, number)))
    return {name: _interval(float(once[name][0]), often[name]) for name in FIGURES}


def paired(
    first: InstanceEval, second: InstanceEval, number: int = 1000
) -> tuple[dict[str, PairedDifference], list[PairedDifference]]:
    """What two evaluations of the same ground truth differ by.

    Args:
      first, second: evaluated.
      number: of draws.

    Returns:
      (AP, AP50 and AP75 by name; AP of each class)
    """
    one, other = ResampledPrecision(first), ResampledPrecision(second)
    every, often = _every(one.images), draws(one.images, number)
    tables = [(p.table(every), p.table(often)) for p in (one, other)]
    figures = [
        (p.figures(once), p.figures(drawn))
        for p, (once, drawn) in zip((one, other), tables)
    ]
    overall = {
        name: _difference(
            *(float(once[name][0]) for once, _ in figures),
            *(drawn[name] for _, drawn in figures),
        )
        for name in FIGURES
    }
    classes = [
        _difference(
            *(float(_mean(once[:, k])[0]) for once, _ in tables),
            *(_mean(drawn[:, k]) for _, drawn in tables),
        )
        for k in range(tables[0][0].shape[1])
    ]
    return overall, classes


def _every(images: int) -> np.ndarray:
    return np.ones((1, images), int)


def _least(recalls: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """[B, R]: the least number of objects found that is a recall of at least r."""
    total = np.maximum(objects, 1)[:, None]
    least = np.ceil(recalls * total).astype(np.int64)
    # The product is rounded; what counts is the quotient, as pycocotools computes it.
    least -= (least > 0) & ((least - 1) / total >= recalls)
    return least + (least / total < recalls)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of what is defined over all axes but the first."""
    values = values.reshape(len(values), -1)
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interval(value: float, drawn: np.ndarray) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    tail = (1 - _COVERAGE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def _difference(first: float, second: float, one, other) -> PairedDifference:
    drawn = other - one
    known = drawn[~np.isnan(drawn)]
    better = np.nan
    if len(known):
        better = float(((known > 0) + 0.5 * (known == 0)).mean())
    return PairedDifference(first, second, _interval(second - first, drawn), better)
