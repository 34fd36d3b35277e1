"""Detections made of ground truth: moved, torn, doubled, mixed up, with ties."""

import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.dataset import Dataset
from tfmask.evaluation.ground_truth import record_rles
from tfmask.evaluation.rle import as_text


def perturbed(dataset: Dataset, seed: int, per_object: int = 3) -> list[dict]:
    """COCO results with masks and boxes: right ones, wrong ones, some with one score.

    Some classes are found in images that do not hold them, some objects not at all.
    """
    rng = np.random.default_rng(seed)
    ids = dataset.class_map.ids
    results = []
    for record in dataset.images:
        masks = [mask_utils.decode(code) for code in record_rles(record)]
        for mask, label in zip(masks, record.labels):
            for _ in range(rng.integers(per_object + 1)):
                moved = _changed(mask, rng)
                if not moved.any():
                    continue
                if rng.random() < 0.15:
                    label = rng.integers(len(ids)) + 1
                code = mask_utils.encode(np.asfortranarray(moved))
                # One digit makes ties, within an image and between images.
                score = float(round(rng.random(), int(rng.choice([1, 4]))))
                results.append(
                    {
                        "image_id": record.image_id,
                        "category_id": ids[int(label) - 1],
                        "score": score,
                        "bbox": mask_utils.toBbox(code).tolist(),
                        "segmentation": as_text(code),
                    }
                )
    return results


def _changed(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask, moved by a few pixels of its size, and with a part missing."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    scale = rng.choice([0.0, 0.05, 0.2])
    dy, dx = np.rint(rng.normal(0, scale, 2) * [height, width]).astype(int)
    moved = np.roll(mask, (dy, dx), (0, 1))
    if rng.random() < 0.3:
        moved[: rows[0] + int(height * rng.uniform(0, 0.6))] = 0
    return moved.astype(np.uint8)
