"""A COCO-format data set of huddled shapes that hide parts of each other.

Made for demos and tests: it has what real sets have (overlap and occlusion, objects in
several parts and with holes, polygons and both kinds of run lengths, crowd regions,
images without objects, category ids with gaps), every mask is exact, and colour and
texture say nothing about the class.
"""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.coco.segmentation import from_mask, to_coco
from tfmask.data.synthetic.shapes import CLASSES, colour, coverage, texture

CATEGORY_IDS = (1, 2, 9, 30)  # gaps, as in COCO itself
_MIN_VISIBLE = 0.5  # share of an object that must stay in sight
_MIN_PIXELS = 40
_EMPTY_SHARE = 0.05  # of the images have no object
_CROWD_SHARE = 0.08  # have a crowd region


class Scene(NamedTuple):
    """One image with its instances."""

    image: np.ndarray  # [H, W, 3] uint8 RGB
    masks: list[np.ndarray]  # [H, W] bool, what can be seen of an instance
    classes: list[int]  # index into CLASSES
    crowd: list[bool]


def write_dataset(
    folder: str | Path, num_images: int, seed: int = 0, size: int = 224
) -> Path:
    """Writes `annotations.json` and `images/`; the same arguments give the same set.

    Args:
      folder: made if it is not there.
      num_images: how many.
      seed: sets of different seeds share no image.
      size: about the side of an image, pixels; the sides vary by a quarter.

    Returns:
      The path of the annotation file.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for index in range(num_images):
        rng = np.random.default_rng((seed, index))
        scene = draw_scene(rng, size)
        name = f"{index + 1:05d}.jpg"
        cv2.imwrite(
            str(folder / "images" / name),
            scene.image[..., ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, 92],
        )
        height, width = scene.image.shape[:2]
        images.append(
            {"id": index + 1, "file_name": name, "height": height, "width": width}
        )
        for mask, label, crowd in zip(scene.masks, scene.classes, scene.crowd):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": CATEGORY_IDS[label],
                    "iscrowd": int(crowd),
                    **_geometry(mask, crowd, rng),
                }
            )
    content = {
        "info": {"description": f"tfmask shapes, seed {seed}"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": n} for i, n in zip(CATEGORY_IDS, CLASSES)],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


# --- scenes -------------------------------------------------------------------------


def draw_scene(rng: np.random.Generator, size: int) -> Scene:
    """One image: a textured ground and groups of shapes, painted one over the other."""
    height, width = (int(size * rng.choice([0.875, 1.0, 1.125])) for _ in range(2))
    ground = colour(rng)
    canvas = texture(rng, height, width, ground)
    if rng.random() < _EMPTY_SHARE:
        return Scene(_finish(canvas), [], [], [])
    owner = np.full((height, width), -1)  # which object is seen at a pixel
    full: list[int] = []  # pixels that each object has, hidden ones included
    classes: list[int] = []
    crowd = None
    if rng.random() < _CROWD_SHARE:
        crowd = _paint_crowd(rng, canvas, ground)
    groups = rng.uniform(0.15, 0.85, (rng.integers(1, 4), 2)) * [width, height]
    for _ in range(rng.integers(3, 13)):
        label = int(rng.integers(len(CLASSES)))
        radius = size * float(np.exp(rng.uniform(np.log(0.06), np.log(0.36))))
        away = rng.normal(0, size * 0.1, 2)
        centre = np.clip(
            groups[rng.integers(len(groups))] + away, 4, [width - 4, height - 4]
        )
        window, cover = coverage(
            CLASSES[label],
            centre,
            radius,
            rng.uniform(0.85, 1.0),
            rng.uniform(-0.4, 0.4),
            height,
            width,
        )
        covered = cover >= 0.5
        if crowd is not None and (covered & crowd[window]).any():
            continue  # what a crowd region holds is in no mask of its own
        if not _fits(covered, owner, window, full):
            continue
        owner[window][covered] = len(full)
        full.append(int(covered.sum()))
        classes.append(label)
        _paint(rng, canvas[window], cover, ground)
    masks = [owner == i for i in range(len(full))]
    flags = [False] * len(masks)
    if crowd is not None:
        masks.append(crowd)
        classes.append(0)  # its small disks
        flags.append(True)
    return Scene(_finish(canvas), masks, classes, flags)


def _fits(covered: np.ndarray, owner: np.ndarray, window, full: list[int]) -> bool:
    """Whether a new object on top leaves enough of every other one in sight."""
    if covered.sum() < _MIN_PIXELS:
        return False
    hidden = owner[window][covered]
    for index in np.unique(hidden[hidden >= 0]):
        left = int((owner == index).sum() - (hidden == index).sum())
        if left < max(_MIN_PIXELS, _MIN_VISIBLE * full[index]):
            return False
    return True


def _paint(rng: np.random.Generator, canvas: np.ndarray, cover: np.ndarray, ground):
    """Lays a textured fill on the canvas, in place, darker towards its edge."""
    base = colour(rng)
    while np.abs(base - ground).max() < 70:  # not the colour of the ground
        base = colour(rng)
    height, width = cover.shape
    fill = texture(rng, height, width, base)
    inner = cv2.GaussianBlur(cover, (0, 0), 1.5)[..., None]
    fill *= 0.55 + 0.45 * np.clip(inner * 2 - 1, 0, 1)
    canvas += (fill - canvas) * cover[..., None]


def _paint_crowd(rng: np.random.Generator, canvas: np.ndarray, ground) -> np.ndarray:
    """A patch of tiny disks too dense to be told apart; returns its region."""
    height, width = canvas.shape[:2]
    middle = rng.uniform(0.2, 0.8, 2) * [width, height]
    region = np.zeros((height, width), np.uint8)
    for _ in range(40):
        spot = np.clip(
            middle + rng.normal(0, height * 0.05, 2), 0, [width - 1, height - 1]
        )
        window, cover = coverage(
            "disk", spot, rng.uniform(2.5, 4.0), 1.0, 0.0, height, width
        )
        _paint(rng, canvas[window], cover, ground)
        region[window] |= cover >= 0.5
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(region, cv2.MORPH_CLOSE, kernel) > 0


def _finish(canvas: np.ndarray) -> np.ndarray:
    """The softness of a lens, and whole numbers."""
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.6)
    return np.clip(soft + 0.5, 0, 255).astype(np.uint8)


# --- annotations --------------------------------------------------------------------


def _geometry(mask: np.ndarray, crowd: bool, rng: np.random.Generator) -> dict:
    """Box, area and outline of a mask, in one of the forms that COCO has."""
    code = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    form = rng.choice(["polygons", "polygons", "polygons", "string"])
    if crowd:
        form = "list"  # as in COCO, where only crowd regions have run lengths
    outlines, has_hole = polygons(mask)
    segmentation: dict | list
    if form == "polygons" and not has_hole:
        segmentation = outlines
    elif form == "list":
        segmentation = to_coco(from_mask(mask))
    else:
        counts = code["counts"].decode("ascii")
        segmentation = {"size": list(mask.shape), "counts": counts}
    return {
        "bbox": mask_utils.toBbox(code).tolist(),
        "area": int(mask_utils.area(code)),
        "segmentation": segmentation,
    }


def polygons(mask: np.ndarray) -> tuple[list[list[float]], bool]:
    """Outlines of the parts of a mask, and whether any part has a hole.

    Returns:
      Lists x1, y1, x2, y2, ... in pixels; polygons cannot express the hole.
    """
    scale = 4
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    crop = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    fine = crop.repeat(scale, 0).repeat(scale, 1)
    contours, links = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for contour, link in zip(contours, links[0]):
        is_outer = link[3] < 0
        if is_outer:
            simple = cv2.approxPolyDP(contour, 1.0, True).reshape(-1, 2)
            if len(simple) >= 3:
                # Contours run through the middles of fine pixels.
                corners = (simple + 0.5) / scale + [left, top]
                outlines.append(corners.round(3).ravel().tolist())
    return outlines, bool((links[0][:, 3] >= 0).any())
