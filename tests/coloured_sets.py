"""Data sets whose pixels say which instance they show, to hold masks against."""

import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.readers import load_dataset

_STEP = 28  # between the colours of instances


def colour_of(number: int) -> tuple[int, int, int]:
    """R, G, B of an instance; numbers from 0 to 80 differ by at least a step."""
    return 60 + _STEP * (number % 7), 60 + _STEP * (number // 7 % 7), 200


def write_coloured_set(folder: Path, images=4, objects=4, height=90, width=130, seed=0):
    """Writes and loads stars on black, each in a colour of its own.

    Outlines and run lengths take turns.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    number = 0
    for index in range(images):
        image = np.zeros((height, width, 3), np.uint8)
        for _ in range(objects):
            for _ in range(100):
                points = _star(rng, height, width)
                codes = mask_utils.frPyObjects([points.ravel().tolist()], height, width)
                mask = mask_utils.decode(codes)[..., 0]
                near = cv2.dilate(mask, np.ones((7, 7), np.uint8)) > 0
                if mask.any() and not image[near].any():
                    break
            image[mask > 0] = colour_of(number)
            outline = [points.ravel().tolist()]
            if number % 2:
                runs = mask.T.ravel()
                edges = np.flatnonzero(np.diff(runs)) + 1
                counts = np.diff([0, *edges, runs.size]).tolist()
                outline = {"size": [height, width], "counts": [0] * runs[0] + counts}
            x, y, w, h = mask_utils.toBbox(codes[0]).tolist()
            content["annotations"].append(
                {
                    "id": number + 1,
                    "image_id": index,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [x, y, w, h],
                    "area": int(mask.sum()),
                    "segmentation": outline,
                }
            )
            number += 1
        name = f"{index}.png"
        cv2.imwrite(str(folder / "images" / name), image[..., ::-1])
        content["images"].append(
            {"id": index, "file_name": name, "height": height, "width": width}
        )
    (folder / "annotations.json").write_text(json.dumps(content))
    return load_dataset(str(folder), log=None)


def _star(rng, height: int, width: int) -> np.ndarray:
    spokes, radius = int(rng.integers(7, 11)), rng.uniform(12, 26)
    angles = np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.uniform(0, 6)
    lengths = radius * rng.uniform(0.6, 1.0, spokes)
    x = rng.uniform(0, width) + lengths * np.cos(angles)
    y = rng.uniform(0, height) + lengths * np.sin(angles)
    return np.stack([x.clip(0, width), y.clip(0, height)], 1).round(2)


def shown(image: np.ndarray, number: int) -> np.ndarray:
    """[H, W] bool: the pixels that an instance covers by half or more.

    All have the same blue on black, and the ratio of the others to it stays.
    """
    blue = image[..., 2].astype(float)
    red, green, full = colour_of(number)
    near = np.abs(image[..., 0] - red / full * blue) < _STEP / 2 * blue / full
    near &= np.abs(image[..., 1] - green / full * blue) < _STEP / 2 * blue / full
    return near & (blue >= full / 2)


def instance_at(image: np.ndarray, mask: np.ndarray) -> int:
    """The number of the instance that most pixels of a mask show; -1 for none."""
    pixels = image[mask]
    counts = [shown(pixels[:, None], n).sum() for n in range(49)]
    return int(np.argmax(counts)) if max(counts) else -1
