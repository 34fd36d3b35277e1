"""COCO instances JSON as a data set, LVIS's fields included."""

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.coco.annotation_checks import Instance
from tfmask.data.coco.annotation_file import open_annotations
from tfmask.data.coco.image_checks import ImageEntry, check_images
from tfmask.data.coco.record_checks import check_annotations
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.images.pixels import pixel_format


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads a COCO instances file, record by record.

    Image headers are read (format, size, orientation), pixels are not.

    Args:
      path: the JSON file, or a folder with `annotations.json` and `images/`.
      images: the image folder; default `images/` beside the file, or the file's own
        folder when there is none.
      options: `exif` is how images are turned, `channels` and `value_range` what they
        are read as, see `images.read_image`; `faulty_objects`, what becomes of faulty
        records whose box is sound.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: when nothing of the file can be used.
    """
    file = open_annotations(path, images)
    problems = list(file.problems)
    pixels = pixel_format(options)
    entries, known = check_images(file, options.exif, pixels, problems)
    found = check_annotations(
        file, entries, known, problems, options.faulty_objects == "ignore"
    )
    labels = {key: i + 1 for i, key in enumerate(file.class_map.ids)}
    return Dataset(
        path=path,
        source=file.path,
        image_folder=file.image_folder,
        class_map=file.class_map,
        images=[
            record_of(entry, found.instances[entry.image_id], labels)
            for entry in entries.values()
        ],
        problems=problems,
        images_left_out=len(file.images) - len(entries),
        annotations_left_out=found.left_out,
        annotations_ignored=found.ignored,
        exif=options.exif,
        class_frequencies=file.class_frequencies,
    )


def record_of(
    entry: ImageEntry, instances: list[Instance], labels: dict
) -> ImageRecord:
    count = len(instances)
    annotated = [i.annotated_box for i in instances]
    negative = entry.negative_categories
    return ImageRecord(
        image_id=entry.image_id,
        path=entry.path,
        file_name=entry.file_name,
        width=entry.width,
        height=entry.height,
        boxes=np.array([i.box for i in instances], np.float32).reshape(count, 4),
        labels=np.array([i.label for i in instances], np.int32),
        crowd=np.array([i.crowd for i in instances], bool),
        areas=np.array([i.area for i in instances], np.float64),
        annotation_ids=tuple(i.annotation_id for i in instances),
        segmentations=tuple(i.segmentation for i in instances),
        annotated_boxes=np.array(annotated, np.float64).reshape(count, 4),
        negative_labels=None if negative is None else _labels(negative, labels),
        not_exhaustive_labels=_labels(entry.not_exhaustive_categories, labels),
    )


def _labels(category_ids: tuple, labels: dict) -> frozenset[int]:
    return frozenset(labels[key] for key in category_ids if key in labels)
