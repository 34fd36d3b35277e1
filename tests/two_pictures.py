"""Two pictures that the tests of formats hold in common, and what is read of them.

They hold the same things in every format: a square 20 x 10 at (4, 6), a ring (a square
with a hole) at (30, 5), and on the second picture one thing of two parts.
"""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tfmask.data.convert.convert import convert_dataset
from tfmask.data.readers import load_dataset

HEIGHT, WIDTH = 48, 64
NAMES = ("a b.png", "c.png")  # a blank, as on users' disks


def mask_of(*windows) -> np.ndarray:
    """Union of windows (x1, y1, x2, y2), a fifth value 0 cuts out."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x1, y1, x2, y2, *value in windows:
        mask[y1:y2, x1:x2] = value[0] if value else 1
    return mask


SQUARE = mask_of((4, 6, 24, 16))
RING = mask_of((30, 5, 50, 25), (36, 10, 44, 20, 0))
PARTS = mask_of((2, 2, 12, 12), (40, 30, 50, 40))
CORNERS = [[4, 6], [24, 6], [24, 16], [4, 16]]
BOTH = [[[2, 2], [12, 2], [12, 12], [2, 12]], [[40, 30], [50, 30], [50, 40], [40, 40]]]


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for value, name in enumerate(NAMES):
        image = np.full((HEIGHT, WIDTH, 3), 60 + value, np.uint8)
        Image.fromarray(image).save(folder / name)


def convert(name: str, source: Path, images: Path | str = "", folder=None):
    """The converted set as training reads it, and the problems by their lines."""
    output = source.parent / "converted.json"
    problems = convert_dataset(
        name, str(source), str(output), images=str(images), log=None
    )
    content = json.loads(output.read_text())
    folder = folder or images or next(p.parent for p in source.parent.rglob(NAMES[0]))
    return load_dataset(str(output), str(folder), log=None), problems, content


def assert_is(dataset, image: int, expected: list, tolerance: int = 0):
    """The instances of an image: (class name, mask) in their order."""
    record = dataset.images[image]
    names = [dataset.class_map.names[k - 1] for k in record.labels]
    assert names == [name for name, _ in expected]
    for index, (_, mask) in enumerate(expected):
        assert (record.mask(index) != mask).sum() <= tolerance
    assert not record.crowd.any()


def png(mask: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", mask * 255)[1].tobytes()).decode()


def ellipse_mask(cx, cy, rx, ry) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1).astype(np.uint8)
