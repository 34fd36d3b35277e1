"""A small sound data set on disk, for tests that spoil it one way each."""

import copy
import json

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH = 40, 60


def _rle_list(x1: int, y1: int, x2: int, y2: int) -> list[int]:
    """Run lengths of a box of pixels in a 40 x 60 image."""
    runs = [x1 * HEIGHT + y1]
    runs += [y2 - y1, HEIGHT - (y2 - y1)] * (x2 - x1)
    runs[-1] = HEIGHT * WIDTH - sum(runs[:-1])
    return runs


_CONTENT = {
    "images": [
        {"id": 11, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
        {"id": 7, "file_name": "b.jpg", "height": HEIGHT, "width": WIDTH},
        {"id": 3, "file_name": "sub/c.png", "height": HEIGHT, "width": WIDTH},
    ],
    "categories": [{"id": 90, "name": "ring"}, {"id": 0, "name": "disc"}],
    "annotations": [
        {
            "id": 101,
            "image_id": 11,
            "category_id": 90,
            "bbox": [10, 5, 20, 10],
            "area": 200,
            "iscrowd": 0,
            "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]],
        },
        {
            "id": 102,
            "image_id": 11,
            "category_id": 0,
            "bbox": [40, 20, 10, 12],
            "area": 120,
            "iscrowd": 0,
            "segmentation": {
                "size": [HEIGHT, WIDTH],
                "counts": _rle_list(40, 20, 50, 32),
            },
        },
        {
            "id": 103,
            "image_id": 7,
            "category_id": 0,
            "bbox": [0, 0, 8, 8],
            "area": 64,
            "iscrowd": 0,
            "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8], [20, 20, 24, 20, 24, 26]],
        },
    ],
}
# The box of 103 holds its two parts.
_CONTENT["annotations"][2]["bbox"] = [0, 0, 24, 26]


@pytest.fixture
def content() -> dict:
    """A COCO instances object without faults; change it at will."""
    return copy.deepcopy(_CONTENT)


@pytest.fixture
def write_set(tmp_path):
    """Writes an object (or raw bytes) and the three images; returns the folder."""

    def write(value, name: str = "set") -> str:
        folder = tmp_path / name
        (folder / "images" / "sub").mkdir(parents=True)
        rng = np.random.default_rng(0)
        for file_name in ("a.png", "b.jpg", "sub/c.png"):
            image = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            cv2.imwrite(str(folder / "images" / file_name), image)
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        (folder / "annotations.json").write_bytes(raw)
        return str(folder)

    return write
