"""What every reader yields: images with boxes, labels and masks, in memory.

Masks stay as they are stored (polygons or run lengths); nothing is decoded here. What
only some kinds of data have (LVIS's verified classes, Cityscapes' cities) are fields
with a default that says "there is none of it".
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmask.data.coco import segmentation as seg
from tfmask.data.images.pixels import RGB, PixelFormat
from tfmask.data.images.read import Span, read_image
from tfmask.data.problems import Problem
from tfmask.structures import ClassMap


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One image with its n instances.

    Regions to ignore are instances with `crowd`: COCO's crowds, Cityscapes' groups.
    """

    image_id: int | str  # as in the annotations
    path: str  # of the file that holds the image
    file_name: str  # relative to the data set's image folder
    width: int
    height: int
    boxes: np.ndarray  # [n, 4] float32 x1, y1, x2, y2, pixels, inside the image
    labels: np.ndarray  # [n] int32, 1..K; 0: to ignore whatever class is found there
    crowd: np.ndarray  # [n] bool: a region to ignore
    areas: np.ndarray  # [n] float64, pixels: decides what is small, medium, large
    annotation_ids: tuple  # as in the annotations; None where one has none
    segmentations: tuple[seg.Segmentation, ...]  # see data.coco.segmentation
    # [n, 4] float64 x, y, width, height: the boxes that metrics are to use. To the last
    # digit as annotated where nothing was mended. None: those of `boxes`.
    annotated_boxes: np.ndarray | None = None
    # LVIS: labels of which the image is known to hold no instance. None: of every class
    # all instances are annotated, as in COCO.
    negative_labels: frozenset[int] | None = None
    # LVIS: labels of which not every instance is annotated.
    not_exhaustive_labels: frozenset[int] = frozenset()
    # Cityscapes: the pixels that its evaluation does not judge (ego vehicle, ...).
    void: seg.Segmentation | None = None
    split: str = ""  # Cityscapes: train, val or test
    city: str = ""  # Cityscapes: bochum, ...
    span: Span | None = None  # where the image lies in a file of many, as TFRecords are

    def read(
        self, exif: str, note: Callable | None = None, pixels: PixelFormat = RGB
    ) -> np.ndarray:
        """The image, [height, width, C] uint8; see `data.images.read.read_image`.

        Args:
          exif: of the data set.
          note: see `read_image`.
          pixels: of the data set.

        Raises:
          ImageError: it cannot be read, or has another size.
        """
        size = self.height, self.width
        return read_image(
            self.path, exif, size, note=note, span=self.span, pixels=pixels
        )

    def mask(self, index: int) -> np.ndarray:
        """The mask of one instance, [height, width] uint8, 0 or 1."""
        return seg.decode(self.segmentations[index], self.height, self.width)

    def metric_boxes(self) -> np.ndarray:
        """[n, 4] float64 x, y, width, height: what metrics take as the true boxes."""
        if self.annotated_boxes is not None:
            return self.annotated_boxes
        boxes = self.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        return boxes

    def labels_meant(self, index: int, num_classes: int) -> tuple[int, ...]:
        """The labels, 1..K, that the annotation of one instance is about."""
        label = int(self.labels[index])
        return (label,) if label else tuple(range(1, num_classes + 1))

    def select(self, kept: np.ndarray) -> "ImageRecord":
        """The record with some of its instances.

        Args:
          kept: [n] bool.
        """
        indices = np.flatnonzero(kept)
        boxes = self.annotated_boxes
        return dataclasses.replace(
            self,
            boxes=self.boxes[indices],
            labels=self.labels[indices],
            crowd=self.crowd[indices],
            areas=self.areas[indices],
            annotation_ids=tuple(self.annotation_ids[i] for i in indices),
            segmentations=tuple(self.segmentations[i] for i in indices),
            annotated_boxes=None if boxes is None else boxes[indices],
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images that can be used, and what was wrong with the rest."""

    path: str  # what was asked for
    source: str  # the file or folder that holds the annotations; messages name it
    image_folder: str
    class_map: ClassMap
    images: list[ImageRecord]
    problems: list[Problem] = field(default_factory=list)  # left out or mended
    images_left_out: int = 0
    annotations_left_out: int = 0  # those of left-out images included
    annotations_ignored: int = 0  # faulty ones that became regions to ignore
    exif: str = "auto"  # how `images.read_image` is to be called
    pixels: PixelFormat = RGB  # and what it is to give
    format: str = "coco"  # the word of data.readers
    class_frequencies: tuple[str, ...] = ()  # LVIS: "r", "c" or "f" of labels 1..K

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_annotations(self) -> int:
        """Instances that can be used, regions to ignore included."""
        return sum(len(record.labels) for record in self.images)

    @property
    def num_objects(self) -> int:
        """Instances that can be learned: without the regions to ignore."""
        return sum(int((~record.crowd).sum()) for record in self.images)

    @property
    def is_federated(self) -> bool:
        """Whether images tell which classes were looked for, as in LVIS."""
        return any(record.negative_labels is not None for record in self.images)

    def read(self, record: ImageRecord, note: Callable | None = None) -> np.ndarray:
        """The image of a record of the data set, as `ImageRecord.read`."""
        return record.read(self.exif, note, self.pixels)

    def without_images(self, indices: Iterable[int]) -> "Dataset":
        """The data set without some images; the indices of those behind them change."""
        dropped = set(indices)
        if not dropped:
            return self
        kept = [r for i, r in enumerate(self.images) if i not in dropped]
        return dataclasses.replace(self, images=kept)

    def to_coco(self) -> dict:
        """The records that were kept, as a COCO instances object.

        Annotations are numbered from 1: COCO's own metrics take the id 0 for "no
        match". Image and category ids stay as they are. A region to ignore whatever
        is found there is one of every class.
        """
        annotations: list[dict] = []
        for image in self.images:
            for i, box in enumerate(image.metric_boxes().tolist()):
                for label in image.labels_meant(i, self.class_map.num_classes):
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": image.image_id,
                            "category_id": self.class_map.ids[label - 1],
                            "bbox": box,
                            "area": float(image.areas[i]),
                            "iscrowd": int(image.crowd[i]),
                            "segmentation": seg.to_coco(image.segmentations[i]),
                        }
                    )
        return {
            "images": [self._image_to_coco(image) for image in self.images],
            "annotations": annotations,
            "categories": self._categories_to_coco(),
        }

    def _image_to_coco(self, image: ImageRecord) -> dict:
        value: dict[str, Any] = {
            "id": image.image_id,
            "file_name": image.file_name,
            "width": image.width,
            "height": image.height,
        }
        ids = self.class_map.ids
        if image.negative_labels is not None:
            negative, partial = image.negative_labels, image.not_exhaustive_labels
            value["neg_category_ids"] = [ids[k - 1] for k in sorted(negative)]
            value["not_exhaustive_category_ids"] = [ids[k - 1] for k in sorted(partial)]
        return value

    def _categories_to_coco(self) -> list[dict]:
        categories = [
            {"id": key, "name": name}
            for key, name in zip(self.class_map.ids, self.class_map.names)
        ]
        for category, frequency in zip(categories, self.class_frequencies):
            category["frequency"] = frequency
        return categories
