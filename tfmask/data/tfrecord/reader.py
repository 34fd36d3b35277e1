"""TFRecords of the Object Detection API and Model Garden as a data set.

All records are read once, when the set is opened: checksums are compared, headers of
images and masks are decoded, the masks stay in memory as run lengths. Of the images the
places in the files are kept, so that training reads any of them by its place, in its
own random order, and resumes exactly.
"""

import dataclasses
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.coco import segmentation as seg
from tfmask.data.coco.annotation_checks import Fault
from tfmask.data.coco.annotation_file import AnnotationFile
from tfmask.data.coco.image_checks import ImageEntry
from tfmask.data.coco.reader import record_of
from tfmask.data.coco.record_checks import check_annotations
from tfmask.data.dataset import Dataset
from tfmask.data.images.pixels import pixel_format
from tfmask.data.images.read import Span, image_size
from tfmask.data.problems import ERROR, WARNING, Problem
from tfmask.data.tfrecord import shards as files
from tfmask.data.tfrecord.example import (
    Fields,
    decode_mask,
    metric_box,
    parse_example,
)
from tfmask.data.tfrecord.records import Damage, Record, read_records
from tfmask.errors import ImageError, SegmentationError
from tfmask.structures import ClassMap

_READERS = 8  # shards that are read side by side; decoding holds no lock of Python


class _Opened(NamedTuple):
    """A record that is sound, without the bytes of image and masks."""

    path: str
    span: Span
    size: tuple[int, int]  # (height, width)
    fields: Fields
    masks: list[seg.RLE | SegmentationError]


class _Shard(NamedTuple):
    opened: list[_Opened]
    problems: list[Problem]
    lost: int  # records that cannot be used


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads a set of TFRecords, record by record.

    Args:
      path: what names the shards, see `shards`.
      images: not used: the images are in the records.
      options: `exif` is how images are turned, see `images.read.read_image`.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: when nothing of it can be used.
    """
    shards = files.find_shards(path)
    classes = files.read_classes(shards)
    problems = list(shards.problems)
    counts = files.read_counts(shards)
    with ThreadPoolExecutor(_READERS) as pool:
        read_shards = pool.map(
            lambda name: _read_shard(name, options, counts), shards.paths
        )
        parts = list(read_shards)
    for part in parts:
        problems += part.problems
    opened = [image for part in parts for image in part.opened]
    ids = _image_ids(opened, problems)
    if classes is None:
        class_map = _classes_of(opened, problems)
    else:
        class_map = classes[1]
    records = _annotations(opened, ids, problems)
    no_masks = sum(len(image.masks) for image in opened) - len(records)
    file = AnnotationFile(path, "", [], records, class_map, (), problems)
    entries = {
        key: ImageEntry(
            key, image.path, _file_name(image, key), *image.size[::-1], None, ()
        )
        for key, image in zip(ids, opened)
    }
    checked = check_annotations(
        file, entries, set(ids), problems, options.faulty_objects == "ignore"
    )
    labels = {key: i + 1 for i, key in enumerate(class_map.ids)}
    found = []
    for (key, entry), image in zip(entries.items(), opened):
        record = record_of(entry, checked.instances[key], labels)
        boxes = record.annotated_boxes
        if boxes is not None and len(boxes):
            boxes = np.array(
                [metric_box((x, y, x + w, y + h)) for x, y, w, h in boxes.tolist()]
            )
        found.append(
            dataclasses.replace(record, annotated_boxes=boxes, span=image.span)
        )
    return Dataset(
        path=path,
        source=path,
        image_folder=os.path.dirname(shards.paths[0]),
        class_map=class_map,
        images=found,
        problems=problems,
        images_left_out=sum(part.lost for part in parts),
        annotations_left_out=checked.left_out + no_masks,
        annotations_ignored=checked.ignored,
        exif=options.exif,
        format="tfrecord",
    )


def _read_shard(path: str, options: DataConfig, counts: dict[str, int]) -> _Shard:
    shard = _Shard([], [], 0)
    lost, last = 0, 0

    def report(number: int, kind: str, message: str, severity: str = ERROR) -> None:
        text = f"{path}, record {number}: {message}"
        shard.problems.append(Problem(kind, None, None, text, severity))

    try:
        for record in read_records(path):
            last = record.number
            if isinstance(record, Damage):
                lost += 1
                report(record.number, "record_damaged", record.message)
                continue
            try:
                shard.opened.append(_open(path, record, options))
            except (Fault, ImageError) as error:
                lost += 1
                report(record.number, error.kind, _message(error, path, record))
    except OSError as error:
        lost += 1
        report(last + 1, "shard_unreadable", str(error.strerror or error))
    expected = counts.get(os.path.basename(path), last)
    if not last or last < expected:
        lost += max(expected - last, 0)
        report(
            last + 1,
            "shard_short",
            f"is not there: the file has {last} of {max(expected, 1)} records: copy it "
            "anew",
        )
    return shard._replace(lost=lost)


def _open(path: str, record: Record, options: DataConfig) -> _Opened:
    fields = parse_example(record.data)
    start = record.offset + record.data.index(fields.encoded)
    span = Span(record.number, start, len(fields.encoded))
    height, width = image_size(
        path, options.exif, fields.size, span=span, pixels=pixel_format(options)
    )
    masks: list[seg.RLE | SegmentationError] = []
    for png in fields.masks:
        try:
            masks.append(decode_mask(png, height, width))
        except SegmentationError as error:
            masks.append(error)
    light = fields._replace(encoded=b"", masks=[])
    return _Opened(path, span, (height, width), light, masks)


def _message(error: Fault | ImageError, path: str, record: Record) -> str:
    """What is wrong, without the name of the record, which stands before it."""
    if isinstance(error, Fault):
        return error.message
    return str(error).removeprefix(f"{path}, record {record.number}: ")


def _image_ids(opened: list[_Opened], problems: list[Problem]) -> list[int | str]:
    """The records' `image/source_id`; whole numbers where all of them are.

    An image without one, or with that of another, is called by shard and record.
    """
    first: dict[str, _Opened] = {}
    texts: list[str] = []
    for image in opened:
        text = image.fields.source_id
        if text and text not in first:
            first[text] = image
            texts.append(text)
            continue
        where = f"{os.path.basename(image.path)}#{image.span.record}"
        said = f"image/source_id is {text!r}" + (
            f", as in {first[text].path}, record {first[text].span.record}"
            if text
            else ""
        )
        problems.append(
            Problem(
                "image_duplicate_id" if text else "image_bad_id",
                None,
                None,
                f"{image.path}, record {image.span.record}: {said}: the image is "
                f"called {where!r}",
                WARNING,
            )
        )
        texts.append(where)
    if all(t.isascii() and t.isdecimal() and str(int(t)) == t for t in texts):
        return [int(text) for text in texts]
    return list(texts)


def _classes_of(opened: list[_Opened], problems: list[Problem]) -> ClassMap:
    """The classes by the records' own labels and texts."""
    texts: dict[int, Counter] = {}
    for image in opened:
        fields = image.fields
        names = fields.texts or [""] * len(fields.labels)
        for key, name in zip(fields.labels, names):
            texts.setdefault(key, Counter())[name or str(key)] += 1
    ids = tuple(sorted(texts))
    if opened:
        message = (
            f"there is no label map: the {len(ids)} classes of the records are taken; "
            "another set may have others: put PREFIX_label_map.pbtxt beside the shards"
        )
        problems.append(Problem("label_map_missing", None, None, message, WARNING))
    return ClassMap(ids, tuple(texts[key].most_common(1)[0][0] for key in ids))


def _annotations(
    opened: list[_Opened], ids: list[int | str], problems: list[Problem]
) -> list[dict]:
    """The instances that have a mask, as the checks of COCO's annotations take them."""
    records = []
    for image_id, image in zip(ids, opened):
        fields = image.fields
        boxes = fields.corner_boxes(*image.size).astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        name = f"{os.path.basename(image.path)}, record {image.span.record}, object "
        for index, (box, mask) in enumerate(zip(boxes.tolist(), image.masks)):
            key = f"{name}{index + 1}"
            if isinstance(mask, SegmentationError):
                problems.append(Problem(mask.kind, image_id, key, str(mask), ERROR))
                continue
            records.append(
                {
                    "id": key,
                    "image_id": image_id,
                    "category_id": fields.labels[index],
                    "bbox": box,
                    "area": fields.areas[index],
                    "iscrowd": fields.crowd[index],
                    "segmentation": mask,
                }
            )
    return records


def _file_name(image: _Opened, image_id: int | str) -> str:
    return image.fields.file_name or f"{image_id}"
