"""Ground truth as pycocotools wants it, built in memory from what is known to be good.

pycocotools needs whole-number image ids, keys that files may lack (`area`, `iscrowd`),
and crashes on malformed outlines. Image and category ids are therefore replaced by
their rank in sorted order, which keeps the order of images and so every figure.
Annotation ids stay as they are where they are unique whole numbers.
"""

import contextlib
import io
import json
import math
import numbers
import os
from pathlib import Path
from typing import Any, NamedTuple

from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from tfmask.data.coco import segmentation
from tfmask.data.dataset import Dataset
from tfmask.errors import EvaluationError
from tfmask.evaluation.rle import as_text, checked_rle, compress


class GroundTruth(NamedTuple):
    """Ground truth in pycocotools' form and the way back to the file's own ids."""

    coco: Any  # pycocotools.coco.COCO with ranks 1.. as image and category ids
    image_ids: tuple  # image ids of the file; rank i is entry i - 1
    category_ids: tuple  # category ids of the file; rank k is entry k - 1
    category_names: tuple
    image_sizes: dict  # image id of the file -> (height, width)
    federated: bool = False  # images say which classes were looked for, as in LVIS


def silent_coco(dataset: dict) -> COCO:
    """A pycocotools.COCO of a dict, without its prints."""
    coco = COCO()
    coco.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def sort_key(value):
    """Sorts numbers before texts."""
    return (isinstance(value, str), value)


def build_ground_truth(source) -> GroundTruth:
    """Ground truth from a data set or straight from annotations.

    Args:
      source: a `data.dataset.Dataset`, of which the records that it holds are taken,
        and no file is read; or the path of an annotation JSON, or its content as a
        dict, which must be wholly good. Images need not exist.

    Raises:
      EvaluationError: a record of a JSON that cannot be used, with its ids.
    """
    if isinstance(source, (str, os.PathLike)):
        return _from_json(_read_json(source), str(source))
    if isinstance(source, dict):
        return _from_json(source, "annotations")
    return _from_dataset(source)


def _read_json(path) -> dict:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise EvaluationError(
            f"{path}: expected a JSON object with images, annotations"
        )
    return value


def _assemble(images: list, categories: list, annotations: list) -> GroundTruth:
    """Replaces ids by ranks.

    Args:
      images: (id, height, width) in any order.
      categories: (id, name) in any order.
      annotations: dicts with the file's ids and all keys that pycocotools reads.
    """
    images = sorted(images, key=lambda v: sort_key(v[0]))
    categories = sorted(categories, key=lambda v: sort_key(v[0]))
    image_rank = {v[0]: i for i, v in enumerate(images, 1)}
    category_rank = {v[0]: i for i, v in enumerate(categories, 1)}
    for ids, ranks, word in (
        (images, image_rank, "image"),
        (categories, category_rank, "category"),
    ):
        if len(ranks) != len(ids):
            raise EvaluationError(f"two records have the same {word} id")
    ids = [a["id"] for a in annotations]
    keep = len(set(ids)) == len(ids) and all(
        isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in ids
    )
    for position, annotation in enumerate(annotations, 1):
        annotation["id"] = int(annotation["id"]) if keep else position
        annotation["image_id"] = image_rank[annotation["image_id"]]
        annotation["category_id"] = category_rank[annotation["category_id"]]
    coco = silent_coco(
        {
            "images": [
                {"id": image_rank[i], "height": int(h), "width": int(w)}
                for i, h, w in images
            ],
            "categories": [
                {"id": category_rank[i], "name": str(name)} for i, name in categories
            ],
            "annotations": annotations,
        }
    )
    return GroundTruth(
        coco=coco,
        image_ids=tuple(v[0] for v in images),
        category_ids=tuple(v[0] for v in categories),
        category_names=tuple(str(v[1]) for v in categories),
        image_sizes={i: (int(h), int(w)) for i, h, w in images},
    )


# --- from a data set ----------------------------------------------------------------


def _from_dataset(dataset: Dataset) -> GroundTruth:
    """The records; boxes and areas as annotated where the reader mended nothing."""
    class_map = dataset.class_map
    annotations = []
    for record in dataset.images:
        boxes, areas = record.metric_boxes().tolist(), record.areas.tolist()
        for i, annotation_id in enumerate(record.annotation_ids):
            annotation = {
                "id": annotation_id,
                "image_id": record.image_id,
                "bbox": boxes[i],
                "area": areas[i],
                "iscrowd": int(bool(record.crowd[i])),
                "segmentation": _outline(record.segmentations[i], record),
            }
            annotations += [
                {**annotation, "category_id": class_map.ids[label - 1]}
                for label in record.labels_meant(i, class_map.num_classes)
            ]
    truth = _assemble(
        [(r.image_id, r.height, r.width) for r in dataset.images],
        list(zip(class_map.ids, class_map.names)),
        annotations,
    )
    return truth._replace(federated=dataset.is_federated)


def rle_of(value, size) -> dict:
    """A segmentation of a record as a run-length code.

    Args:
      value: a `data.coco.segmentation.Segmentation`.
      size: (height, width) of its image.
    """
    if isinstance(value, segmentation.RLE):
        return compress(value.counts, size)
    return as_text(_as_rle(segmentation.to_coco(value), size))


def record_rles(record) -> list[dict]:
    """The masks of an `ImageRecord` as run-length codes."""
    size = record.height, record.width
    return [rle_of(value, size) for value in record.segmentations]


def _outline(value, record):
    """An outline of a record in COCO's form, run lengths packed."""
    parsed, _ = segmentation.parse(value, record.height, record.width)
    if isinstance(parsed, segmentation.RLE):
        return compress(parsed.counts, (record.height, record.width))
    return segmentation.to_coco(parsed)


def _finite(value) -> bool:
    return (
        not isinstance(value, bool)
        and isinstance(value, numbers.Real)
        and math.isfinite(value)
    )


# --- straight from annotations ------------------------------------------------------


def _from_json(content: dict, where: str) -> GroundTruth:
    for name in ("images", "annotations", "categories"):
        if not isinstance(content.get(name), list):
            raise EvaluationError(f"{where}: expected a list {name!r}")
    try:
        images = [(v["id"], v["height"], v["width"]) for v in content["images"]]
        categories = [(v["id"], v.get("name", v["id"])) for v in content["categories"]]
    except (TypeError, KeyError, AttributeError) as error:
        raise EvaluationError(
            f"{where}: every image needs id, height and width, every category an id "
            f"({error})"
        ) from error
    for image_id, height, width in images:
        if not (_finite(height) and _finite(width) and min(height, width) >= 1):
            raise EvaluationError(
                f"{where}: image {image_id!r}: height {height!r}, width {width!r}: "
                "expected positive numbers"
            )
    sizes = {i: (int(h), int(w)) for i, h, w in images}
    known = {i for i, _ in categories}
    annotations = []
    for raw in content["annotations"]:
        try:
            annotations.append(_checked_annotation(raw, sizes, known))
        except ValueError as error:
            ids = raw if isinstance(raw, dict) else {}
            raise EvaluationError(
                f"{where}: annotation {ids.get('id')!r} of image "
                f"{ids.get('image_id')!r}: {error}; `tfmask validate` lists them all"
            ) from error
    federated = any(
        isinstance(v, dict) and "neg_category_ids" in v for v in content["images"]
    )
    return _assemble(images, categories, annotations)._replace(federated=federated)


def _checked_annotation(raw, sizes: dict, known: set) -> dict:
    if not isinstance(raw, dict):
        raise ValueError("expected an object")
    if raw.get("id") is None:
        raise ValueError("id is missing")
    if raw.get("image_id") not in sizes:
        raise ValueError("image_id is not among the images")
    if raw.get("category_id") not in known:
        raise ValueError("category_id is not among the categories")
    size = sizes[raw["image_id"]]
    outline = raw.get("segmentation")
    if outline is not None:
        outline = _checked_outline(outline, size)
    box = raw.get("bbox")
    if box is None:
        if outline is None:
            raise ValueError("has neither bbox nor segmentation")
        box = mask_utils.toBbox(_as_rle(outline, size)).tolist()
    if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
        raise ValueError(f"bbox is {box!r}: expected four finite numbers [x, y, w, h]")
    area = raw.get("area")
    if area is None:
        rle = None if outline is None else _as_rle(outline, size)
        area = box[2] * box[3] if rle is None else float(mask_utils.area(rle))
    if not _finite(area):
        raise ValueError(f"area is {area!r}: expected a finite number")
    return {
        "id": raw["id"],
        "image_id": raw["image_id"],
        "category_id": raw["category_id"],
        "bbox": box,
        "area": area,
        "iscrowd": int(bool(raw.get("iscrowd", 0))),
        "segmentation": outline,
    }


def _checked_outline(outline, size):
    """Polygons, or a run-length code, that pycocotools can be given without danger."""
    if isinstance(outline, dict):
        return checked_rle(outline, size)
    return segmentation.to_coco(segmentation.parse(outline, *size)[0])


def _as_rle(outline, size) -> dict:
    if isinstance(outline, dict):
        return outline
    return mask_utils.merge(mask_utils.frPyObjects(outline, *size))
