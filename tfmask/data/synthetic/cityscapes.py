"""A small tree in the layout and the encodings of Cityscapes.

The scenes are those of `generate`: shapes stand for cars, people and so on. It has what
the real set has: instances that hide parts of each other, groups, single caravans and
their groups, pixels that are not judged, frames without any instance, cities.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from tfmask.data.cityscapes.instances import draw_polygons
from tfmask.data.cityscapes.labels import CLASSES
from tfmask.data.synthetic.generate import draw_scene

_CITIES = ("bielefeld", "aachen-west")
_HOOD = 0.12  # share of the height at the bottom that is the ego vehicle


def write_cityscapes(
    root: str | Path,
    split: str,
    num_images: int,
    seed: int = 0,
    size: int = 160,
    encoding: str = "both",
) -> Path:
    """Writes `leftImg8bit/SPLIT` and `gtFine/SPLIT`; equal arguments, equal files.

    Args:
      root: made if it is not there; other splits in it stay.
      split: train, val or test. Of test, as in the original, nothing is annotated but
        the ego vehicle.
      num_images: how many, in two cities.
      seed: sets of different seeds share no image.
      size: about the side of an image, pixels.
      encoding: `png`, `polygons` or `both`.

    Returns:
      `ROOT/gtFine/SPLIT`.
    """
    root = Path(root)
    for index in range(num_images):
        rng = np.random.default_rng((seed, index))
        city = _CITIES[index % len(_CITIES)]
        stem = f"{city}/{city}_{index:06d}_{19:06d}"
        scene = draw_scene(rng, size)
        objects = _objects(scene, rng, annotated=split != "test")
        image = root / "leftImg8bit" / split / f"{stem}_leftImg8bit.png"
        gt = root / "gtFine" / split / f"{stem}_gtFine_polygons.json"
        for path in (image, gt):
            path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), scene.image[..., ::-1])
        height, width = scene.image.shape[:2]
        content = {"imgHeight": height, "imgWidth": width, "objects": objects}
        text = json.dumps(content)
        gt.write_text(text, encoding="utf-8")
        if encoding != "polygons":
            ids = draw_polygons(str(gt)).astype(np.uint16)
            name = gt.name.replace("polygons.json", "instanceIds.png")
            cv2.imwrite(str(gt.with_name(name)), ids)
        if encoding == "png":
            gt.unlink()
    return root / "gtFine" / split


def _objects(scene, rng: np.random.Generator, annotated: bool) -> list[dict]:
    """The objects of a frame in the order in which they are drawn."""
    height, width = scene.image.shape[:2]
    hood = height * (1 - _HOOD)
    border = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    objects: list[dict] = [{"label": "out of roi", "polygon": border}]
    ego = [[0, hood], [width - 1, hood], [width - 1, height - 1], [0, height - 1]]
    if annotated:
        inner = [[3, 3], [width - 4, 3], [width - 4, height - 4], [3, height - 4]]
        objects.append({"label": "road", "polygon": inner})
        far = [[3, 3], [width // 3, 3], [width // 3, height // 4], [3, height // 4]]
        objects.append({"label": "parking", "polygon": far})
        for mask, label, crowd in zip(scene.masks, scene.classes, scene.crowd):
            objects += _outlines(mask, _name(label, crowd, rng))
        gone = {"label": "car", "polygon": far, "deleted": 1}
        plate = {"label": "license plate", "polygon": far}
        objects += [gone, plate]
    return [*objects, {"label": "ego vehicle", "polygon": ego}]


def _name(label: int, crowd: bool, rng: np.random.Generator) -> str:
    """A class of Cityscapes for a shape; now and then a group, or a caravan."""
    name = CLASSES[2 * label + int(rng.integers(2))]
    draw = rng.random()
    if draw < 0.06:
        name = "caravan"
    return f"{name}group" if crowd or 0.04 < draw < 0.14 else name


def _outlines(mask: np.ndarray, name: str) -> list[dict]:
    """The outer contours of a mask, each an object, as annotators draw them."""
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [
        {"label": name, "polygon": contour[:, 0].tolist()}
        for contour in contours
        if len(contour) >= 3
    ]
