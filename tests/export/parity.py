"""How far what an exported model gives is from what the Python model gives."""

from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from tfmask.evaluation.paste import paste_masks


class Parity(NamedTuple):
    """The largest deviations over the detections of an image, or of several."""

    detections: int
    box: float  # pixels
    score: float  # mask scores included
    iou: float  # least over the masks
    pixels: int  # that belong to one of two masks alone, all masks together
    tie: float  # of these pixels: how far the value is from the threshold of one half

    def holds(self, box=1e-2, score=1e-4, iou=0.999, tie=1e-4) -> bool:
        """Whether all is within the tolerances.

        A mask of under 1000 pixels is below an IoU of 0.999 by one pixel alone. So a
        pixel whose value is one half but for rounding may fall on either side.
        """
        masks = self.iou >= iou or self.tie <= tie
        return self.detections > 0 and self.box <= box and self.score <= score and masks


def worst(parities: list) -> Parity:
    """Of several images."""
    count, box, score, iou, pixels, tie = zip(*parities)
    return Parity(sum(count), max(box), max(score), min(iou), sum(pixels), max(tie))


def compare(outputs: dict, row: int, prediction, class_map) -> Parity:
    """One image's outputs beside a Prediction of the Python path.

    Detections of equal score may have changed places: one that is not where it is
    expected is compared with the nearest one of its class.
    """
    count = int(outputs["num_detections"][row])
    assert count == len(prediction.scores), (count, len(prediction.scores))
    height, width = prediction.size
    assert tuple(outputs["image_size"][row]) == (height, width)
    boxes = outputs["detection_boxes_pixels"][row][:count]
    scores = outputs["detection_scores"][row][:count]
    assert (np.diff(scores) <= 0).all()
    scale = np.array([height, width, height, width])
    relative = outputs["detection_boxes"][row][:count]
    np.testing.assert_allclose(relative * scale, boxes, atol=1e-3)
    boxes = boxes[:, [1, 0, 3, 2]]
    ids = np.array([class_map.ids[label - 1] for label in prediction.labels])
    classes = outputs["detection_classes"][row][:count]
    distance = np.abs(boxes[None] - prediction.boxes[:, None]).max(-1)
    distance += np.where(ids[:, None] == classes, 0.0, np.inf)
    nearest = _partners(distance)
    gaps = np.abs(scores[nearest] - prediction.scores)
    if prediction.mask_scores is not None:
        ranks = outputs["detection_mask_scores"][row][:count]
        gaps = np.append(gaps, np.abs(ranks[nearest] - prediction.mask_scores))
    probabilities = outputs["detection_masks"][row][:count]
    if "detection_masks_reframed" in outputs:
        full = outputs["detection_masks_reframed"][row].astype(bool)
        assert not full[:, height:].any() and not full[:, :, width:].any()
        masks = full[:count, :height, :width]
    else:
        codes = paste_masks(probabilities, boxes, (height, width))
        masks = [coco_mask.decode(code).astype(bool) for code in codes]
    iou, pixels, tie = 1.0, 0, 0.0
    for code, other in zip(prediction.masks, nearest):
        expected, given = coco_mask.decode(code).astype(bool), masks[other]
        different = expected ^ given
        if different.any():
            iou = min(iou, (expected & given).sum() / (expected | given).sum())
            pixels += int(different.sum())
            values = sampled(probabilities[other], boxes[other], np.nonzero(different))
            tie = max(tie, float(np.abs(values - 0.5).max()))
    largest = float(distance[range(count), nearest].max(initial=0))
    return Parity(count, largest, float(gaps.max(initial=0)), float(iou), pixels, tie)


def _partners(distance) -> np.ndarray:
    """For each row a column of its own: the one of its number where that is near."""
    partners = np.arange(len(distance))
    far = list(np.flatnonzero(distance.diagonal() > 1e-2))
    free = far.copy()
    for row in far:
        partners[row] = min(free, key=lambda column: distance[row, column])
        free.remove(partners[row])
    return partners


def sampled(probabilities, box, pixels) -> np.ndarray:
    """The bilinear samples of `[T, T]` at pixels (rows, columns), in float64."""
    side, (x1, y1, x2, y2) = len(probabilities), box.astype(np.float64)
    cells = np.arange(side)
    rows = (pixels[0] + 0.5 - y1) / (y2 - y1) * side - 0.5
    columns = (pixels[1] + 0.5 - x1) / (x2 - x1) * side - 0.5
    down = np.maximum(1 - np.abs(rows[:, None] - cells), 0)
    across = np.maximum(1 - np.abs(columns[:, None] - cells), 0)
    return ((down @ probabilities.astype(np.float64)) * across).sum(1)
