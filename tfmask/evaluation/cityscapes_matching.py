"""Average precision as Cityscapes has it, of masks against a labelled image.

The rules are those of `evalInstanceLevelSemanticLabeling` of the Cityscapes scripts
(Cordts et al., CVPR 2016, sec. 3.2). They differ from COCO's:

- A prediction matches every instance that it overlaps by an IoU *above* the threshold;
  of several predictions on an instance that of highest confidence is the right one.
- A prediction without a match is left out of account where a share of its pixels above
  the threshold lies on what is not judged: void, groups, instances that are too small.
- Precision is not made monotonic, and the area below its curve is summed by half steps.
"""

from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

OVERLAPS = np.arange(0.5, 1.0, 0.05)  # the IoU thresholds
_SMALLEST = 100  # pixels; smaller instances are not judged


class ClassMatches(NamedTuple):
    """The predictions and the ground truth of one class in one image.

    P predictions with a pixel, G instances and groups.
    """

    confidences: np.ndarray  # [P] float64
    pixels: np.ndarray  # [P] of each prediction
    unjudged: np.ndarray  # [P] pixels on void, groups and small instances
    ious: np.ndarray  # [P, G]
    counted: np.ndarray  # [G] bool: an instance that is large enough


def match(masks: list, confidences: list, truth: list, groups, void) -> ClassMatches:
    """Overlaps of the predictions of a class with its ground truth in one image.

    Args:
      masks: run-length codes of the predictions.
      confidences: of each.
      truth: run-length codes of instances and groups.
      groups: [G] bool, which of them are groups.
      void: run-length code of the pixels that are not judged; None: there are none.
    """
    pixels = mask_utils.area(masks).astype(np.int64) if masks else np.zeros(0, np.int64)
    kept = np.flatnonzero(pixels)
    masks, pixels = [masks[i] for i in kept], pixels[kept]
    sizes = mask_utils.area(truth).astype(np.int64) if truth else np.zeros(0, np.int64)
    common = _intersections(masks, pixels, truth)
    counted = ~np.asarray(groups, bool).reshape(-1) & (sizes >= _SMALLEST)
    # What is both a group and small is taken twice by the original.
    times = np.asarray(groups, np.int64).reshape(-1) + (sizes < _SMALLEST)
    unjudged = common @ times
    if void is not None:
        unjudged = unjudged + _intersections(masks, pixels, [void])[:, 0]
    union = sizes[None] + pixels[:, None] - common
    return ClassMatches(
        np.asarray(confidences, np.float64).reshape(-1)[kept],
        pixels,
        unjudged,
        common / np.maximum(union, 1),
        counted,
    )


def _intersections(masks: list, pixels: np.ndarray, others: list) -> np.ndarray:
    """[P, G] int64: pixels that two masks share."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)), np.int64)
    # Of a crowd region pycocotools gives the share of the mask that lies in it.
    shares = mask_utils.iou(masks, others, [1] * len(others))
    return np.rint(shares * pixels[:, None]).astype(np.int64)


def average_precision(images: list[ClassMatches], overlap: float) -> float:
    """AP of one class at one IoU threshold; NaN where no instance counts.

    Args:
      images: of the class, in the order of the images.
      overlap: the threshold, at least 0.5.
    """
    if not any(m.counted.any() for m in images):
        return float("nan")
    rows = [_outcomes(m, overlap) for m in images]
    right = np.concatenate([r[0] for r in rows])
    confidence = np.concatenate([r[1] for r in rows])
    missed = sum(r[2] for r in rows)
    if not len(right):
        return 0.0
    order = np.argsort(confidence)
    ascending = confidence[order]
    # Of right ones with less confidence than each; the last is for all of them.
    below = np.concatenate([[0], np.cumsum(right[order])])
    cuts = np.unique(ascending, return_index=True)[1]
    true_positives = below[-1] - below[cuts]
    precision = true_positives / (len(right) - cuts)
    recall = true_positives / (below[-1] + missed)
    # The curve ends at precision 1 and recall 0.
    precision, recall = np.append(precision, 1.0), np.append(recall, 0.0)
    edges = np.concatenate([recall[:1], recall, [0.0]])
    return float(np.dot(precision, (edges[:-2] - edges[2:]) / 2))


def _outcomes(found: ClassMatches, overlap: float) -> tuple:
    """Whether each judged prediction is right, its confidence; instances missed.

    A second prediction on an instance is a wrong one, and so again for each instance.
    """
    hits = found.ious > overlap
    right, confidence, missed = [], [], 0
    for column in np.flatnonzero(found.counted):
        ranked = np.sort(found.confidences[hits[:, column]])[::-1]
        missed += not len(ranked)
        right += [1, *[0] * (len(ranked) - 1)] if len(ranked) else []
        confidence += ranked.tolist()
    wrong = ~hits.any(1) & (found.unjudged / found.pixels <= overlap)
    confidence += found.confidences[wrong].tolist()
    right += [0] * int(wrong.sum())
    return np.array(right, np.int64), np.array(confidence), missed
