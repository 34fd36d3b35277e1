"""COCO instances JSON as a data set: images with boxes, labels and masks.

Masks stay as they are stored (polygons or run lengths); nothing is decoded here.
"""

from dataclasses import dataclass

import numpy as np

from tfmask.data.coco import segmentation as seg
from tfmask.data.problems import ERROR, Problem
from tfmask.data.validate import Examination, ImageEntry, Instance, examine
from tfmask.errors import DataError
from tfmask.structures import ClassMap


@dataclass(frozen=True)
class ImageRecord:
    """One image with its n instances."""

    image_id: int | str  # as in the JSON
    path: str
    file_name: str
    width: int
    height: int
    boxes: np.ndarray  # [n, 4] float32 x1, y1, x2, y2, pixels, inside the image
    labels: np.ndarray  # [n] int32, 1..K
    crowd: np.ndarray  # [n] bool: a region to ignore
    areas: np.ndarray  # [n] float64, pixels, as annotated
    annotation_ids: tuple  # as in the JSON; None where it has none
    segmentations: tuple[seg.Segmentation, ...]  # see data.coco.segmentation

    def mask(self, index: int) -> np.ndarray:
        """The mask of one instance, [height, width] uint8, 0 or 1."""
        return seg.decode(self.segmentations[index], self.height, self.width)


@dataclass(frozen=True)
class CocoDataset:
    """A checked data set."""

    path: str  # what was asked for: the file or its folder
    annotations_json: str  # the file
    image_folder: str
    class_map: ClassMap  # sorted by category id
    images: list[ImageRecord]
    problems: list[Problem]  # what was left out or mended
    exif: str = "auto"  # how `images.read_image` is to be called

    def __len__(self) -> int:
        return len(self.images)

    def to_coco(self) -> dict:
        """The records that were kept, as a COCO instances object.

        Annotations are numbered from 1: COCO's own metrics take the id 0 for "no
        match". Image and category ids stay as they are.
        """
        annotations = []
        for image in self.images:
            for i, (x1, y1, x2, y2) in enumerate(image.boxes.tolist()):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image.image_id,
                        "category_id": self.class_map.ids[image.labels[i] - 1],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": float(image.areas[i]),
                        "iscrowd": int(image.crowd[i]),
                        "segmentation": seg.to_coco(image.segmentations[i]),
                    }
                )
        return {
            "images": [
                {
                    "id": image.image_id,
                    "file_name": image.file_name,
                    "width": image.width,
                    "height": image.height,
                }
                for image in self.images
            ],
            "annotations": annotations,
            "categories": [
                {"id": key, "name": name}
                for key, name in zip(self.class_map.ids, self.class_map.names)
            ],
        }


def load_dataset(
    annotations: str,
    images: str = "",
    *,
    strict: bool = False,
    keep_empty: bool = True,
    exif: str = "auto",
    log=print,
) -> CocoDataset:
    """Loads a COCO instances file.

    Records that cannot be used are left out and counted in one line of the log; with
    `strict` any of them is an error. Warnings (a missing area, a box that has to be
    taken from the mask) never stop the loading.

    Args:
      annotations: the JSON file, or a folder with `annotations.json` and `images/`.
      images: the image folder; default `images/` beside the file.
      strict: raise on the first faulty record.
      keep_empty: keep images without instances (crowd regions do not count).
      exif: `auto`, `apply` or `ignore`, see `images.read_image`.
      log: called with the line.

    Raises:
      DataError: nothing can be used, or `strict` and a record is faulty.
    """
    found = examine(annotations, images, exif)
    errors = [p for p in found.problems if p.severity == ERROR]
    if strict and errors:
        raise DataError(_list_problems(found, errors), errors[0].kind)
    records = [
        _record(entry, found.instances[entry.image_id]) for entry in found.images
    ]
    if not keep_empty:
        records = [r for r in records if not r.crowd.all()]  # all() of none is true
    if not records:
        which = "usable" if keep_empty else "usable and not empty"
        raise DataError(
            f"{found.file.path}: no image is {which}"
            + (f": {_list_problems(found, errors)}" if errors else ""),
            "no_images",
        )
    if found.problems and log is not None:
        log(_summary(found, len(errors)))
    return CocoDataset(
        annotations,
        found.file.path,
        found.file.image_folder,
        found.file.class_map,
        records,
        found.problems,
        exif,
    )


def _record(entry: ImageEntry, instances: list[Instance]) -> ImageRecord:
    count = len(instances)
    return ImageRecord(
        **entry._asdict(),
        boxes=np.array([i.box for i in instances], np.float32).reshape(count, 4),
        labels=np.array([i.label for i in instances], np.int32),
        crowd=np.array([i.crowd for i in instances], bool),
        areas=np.array([i.area for i in instances], np.float64),
        annotation_ids=tuple(i.annotation_id for i in instances),
        segmentations=tuple(i.segmentation for i in instances),
    )


def _summary(found: Examination, num_errors: int) -> str:
    path = found.file.path
    return (
        f"{path}: {found.annotations_left_out} of {len(found.file.annotations)} "
        f"annotations and {found.images_left_out} of {len(found.file.images)} images "
        f"left out ({num_errors} errors, {len(found.problems) - num_errors} warnings); "
        f"`tfmask validate {path}` lists them"
    )


def _list_problems(found: Examination, errors: list[Problem], limit: int = 5) -> str:
    lines = [str(p) for p in errors[:limit]]
    if len(errors) > limit:
        lines.append(f"and {len(errors) - limit} more")
    listed = "\n  ".join(lines)
    return (
        f"{found.file.path}: {len(errors)} faulty records; `tfmask validate "
        f"{found.file.path}` lists all:\n  {listed}"
    )
