"""Images that are their own ground truth: a pixel's colour is the instance it is of."""

import cv2
import numpy as np
from coco_sets import encode

from tfmask.config import DataConfig
from tfmask.evaluation.prediction import Prediction
from tfmask.structures import ClassMap

CLASSES = ClassMap((3, 8), ("disk", "bar"))


class Seer:
    """A predictor that sees each instance of a label map, and nothing else.

    Args:
      labels: [n] class of the instances 1..n.
      parts: instances in several parts are found part by part.
    """

    def __init__(self, labels, parts=False):
        self.labels = labels
        self.parts = parts
        self.sizes = []  # of the images that were seen
        self.data_config = DataConfig()
        self.class_map = CLASSES

    def predict(self, images, *, batch_size=1):
        return [self._predict(image) for image in images]

    def _predict(self, image):
        self.sizes.append(image.shape[:2])
        ids = owners(image)
        boxes, labels, masks, scores = [], [], [], []
        for k in np.unique(ids[ids > 0]):
            for mask in self._masks(ids == k):
                rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
                boxes.append(
                    [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1],
                )
                labels.append(self.labels[k - 1])
                masks.append(encode(mask))
                scores.append(0.5 + 0.4 * mask.sum() / mask.size)
        order = np.argsort(-np.array(scores), kind="stable")
        return Prediction(
            np.array(boxes, np.float32).reshape(-1, 4)[order],
            np.array(scores, np.float32)[order],
            np.array(labels, np.int32)[order],
            [masks[i] for i in order],
            image.shape[:2],
        )

    def _masks(self, mask):
        if not self.parts:
            return [mask]
        count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        return [parts == i for i in range(1, count)]


def owners(image):
    """[H, W] int: the instance of each pixel, 0 where there is none."""
    return image.astype(np.int32) @ [1, 256, 65536]


def paint(ids):
    """The label map as an image."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)


def truth(ids, labels):
    """The instances of a label map as COCO annotations of image 1."""
    annotations = []
    for k in np.unique(ids[ids > 0]).tolist():
        mask = ids == k
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x, y = int(columns[0]), int(rows[0])
        annotations.append(
            {
                "id": k,
                "image_id": 1,
                "category_id": CLASSES.ids[labels[k - 1] - 1],
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": encode(mask),
            }
        )
    height, width = ids.shape
    return {
        "images": [{"id": 1, "height": height, "width": width, "file_name": "1.png"}],
        "categories": [{"id": i, "name": n} for i, n in zip(*CLASSES)],
        "annotations": annotations,
    }


def scene(seed, height=600, width=800, number=150, longest=60, bars=6):
    """A label map of disks and of bars longer than any tile's overlap, with labels."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((height, width), np.int32)
    labels = []
    for _ in range(bars):
        centre = (rng.uniform(0.2, 0.8, 2) * [width, height]).astype(int)
        length, angle = rng.uniform(0.15, 0.4) * width, rng.uniform(0, np.pi)
        away = (length * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        labels.append(2)
        cv2.line(ids, tuple(centre - away), tuple(centre + away), len(labels), 9)
    for _ in range(number):
        centre = (rng.uniform(0, 1, 2) * [width, height]).astype(int)
        axes = rng.integers(3, longest // 2, 2)
        mask = np.zeros(ids.shape, np.uint8)
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(
            mask, tuple(map(int, centre)), tuple(map(int, axes)), angle, 0, 360, 1, -1
        )
        free = (mask > 0) & (ids == 0)
        if free.sum() < 0.6 * mask.sum() or free.sum() < 20:
            continue
        labels.append(1)
        ids[free] = len(labels)
    return ids, labels


__all__ = ["CLASSES", "Seer", "owners", "paint", "scene", "truth"]
