"""From positions in the stream to the arrays of a batch, in numpy and OpenCV.

Decoding, resizing and masks hold no lock of Python, and write where the batch has the
example: threads fill the rows of a batch side by side, and no copy joins them.
"""

import functools
import threading
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tfmask.config import DataConfig
from tfmask.data import transforms
from tfmask.data.box_frames import InstanceMasks
from tfmask.data.canvas import Size, padded_to
from tfmask.data.dataset import Dataset
from tfmask.data.memory import Memory
from tfmask.data.order import (
    FLIP,
    SCALE,
    epoch_order,
    random_numbers,
    repeat_factors,
    repeated_images,
)
from tfmask.data.unreadable import UnreadableImages
from tfmask.errors import ImageError

_GRAY = 127  # stands in for an image that cannot be read
_image_memory, _mask_memory = Memory(), Memory()
_PER_INSTANCE = ("boxes", "labels", "masks", "crowd", "valid")


class Plan(NamedTuple):
    """What is to be done for a position in the stream, before anything is read."""

    position: int
    image_index: int  # into the images of the data set
    shape: tuple[int, int]  # height, width after resizing
    flip: bool
    masks: InstanceMasks


class ExampleLoader:
    """Loads, augments and resizes examples. Thread-safe.

    Args:
      dataset: the images.
      data_config: sizes, flip, strictness.
      training: augment, and count positions in the endless stream; otherwise position
        i is `dataset.images[i]`, unchanged but for its size.
      seed: of order and augmentation.
      batch_size: images per step over all replicas. Images of a step share one scale,
        and with `data.group_by_shape` have like shapes.
      canvases: sizes that batches are padded to, see data.canvas; none: as little as
        can be.
      log: called with a line for each image that cannot be read, and for the first
        that comes out nearly black.
    """

    def __init__(
        self,
        dataset: Dataset,
        data_config: DataConfig,
        training: bool,
        seed: int,
        *,
        batch_size: int = 1,
        canvases: Sequence[Size] = (),
        log=print,
    ):
        # Examples are loaded side by side; threads inside OpenCV would fight for cores.
        cv2.setNumThreads(0)
        self.dataset = dataset
        self.config = data_config
        self.training = training
        self.seed = seed
        self.batch_size = batch_size
        self.canvases = canvases
        use = "trained as an empty gray image" if training else "left out"
        self._unreadable = UnreadableImages(data_config, len(dataset), use, log)
        self._log = log
        self._lock = threading.Lock()
        self._noted = False
        self.epoch_size = len(dataset)  # positions of the stream
        self._aspects = np.array([r.width / r.height for r in dataset.images])
        self._factors: np.ndarray | None = None  # None: each image comes once
        if training and data_config.repeat_threshold:
            self._factors = repeat_factors(
                [r.labels[~r.crowd] for r in dataset.images],
                data_config.repeat_threshold,
            )
            self.epoch_size = round(self._factors.sum())
        self._order = functools.lru_cache(maxsize=2)(self._epoch)

    @property
    def failures(self) -> dict[int, str]:
        """Images that could not be read: index into the data set's -> message."""
        return self._unreadable.failures

    def image_index(self, i: int) -> int:
        """The image at a position of the stream."""
        if not self.training:
            return i
        epoch, position = divmod(i, self.epoch_size)
        return int(self._order(epoch)[position])

    def _epoch(self, epoch: int) -> np.ndarray:
        """The images of an epoch, [epoch_size] int64 in their order."""
        size, group = self.batch_size, self.config.group_by_shape
        if self._factors is None:
            return epoch_order(epoch, self.seed, self._aspects, size, group)
        drawn = repeated_images(epoch, self.seed, self._factors)
        aspects = self._aspects[drawn]
        return drawn[epoch_order(epoch, self.seed, aspects, size, group)]

    def resized_shape(self, i: int) -> tuple[int, int]:
        """The example's (height, width) before padding."""
        record = self.dataset.images[self.image_index(i)]
        config = self.config
        if not self.training:
            sides = config.eval_short_side, config.eval_max_side
        else:
            sides = config.short_side[0], config.max_side
            if len(config.short_side) > 1:
                step = i // self.batch_size
                draw = random_numbers(self.seed, SCALE, step, 1)[0]
                choice = int(draw * len(config.short_side))
                sides = config.short_side[choice], config.max_side
        return transforms.resized_shape(record.height, record.width, *sides)

    def padded_shape(self, i: int) -> tuple[int, int]:
        """The example's (height, width) in multiples of `data.pad_multiple`."""
        return self._padded(self.resized_shape(i))

    def example(self, i: int) -> dict[str, np.ndarray]:
        """The example at position i: the same arrays whenever it is called.

        Returns the entries of a batch (see `pipeline`) for one image, without the
        leading dimension. There is always at least one row of ground truth, with
        `valid` false if the image has no objects.

        Raises:
          ImageError: an image cannot be read, in strict mode or in evaluation.
          DataError: more images than `data.max_bad_fraction` cannot be read.
        """
        batch = self.batch([self.plan(int(i))])
        return {name: array[0] for name, array in batch.items()}

    def plan(self, i: int) -> Plan:
        """What is to be done for position i."""
        index = self.image_index(i)
        record = self.dataset.images[index]
        flip = False
        if self.training and self.config.flip:
            flip = random_numbers(self.seed, FLIP, i, 1)[0] < self.config.flip
        # A crowd region is ignored by its box; its mask trains nothing.
        masks = InstanceMasks(
            record.segmentations,
            record.boxes,
            ~record.crowd,
            record.height,
            record.width,
        )
        return Plan(i, index, self.resized_shape(i), bool(flip), masks)

    def batch(
        self, plans: Sequence[Plan], run=map, *, skip_unreadable: bool = False
    ) -> dict[str, np.ndarray]:
        """Examples, each padded with zeros to the largest, or to a canvas.

        Args:
          plans: of one example each.
          run: called with a function and row numbers like `map`; may call the function
            for several rows at once.
          skip_unreadable: leave out an image where `example` would raise `ImageError`.

        Returns the entries of a batch, see `pipeline`.

        Raises:
          ImageError, DataError: as `example`.
        """
        arrays = self._allocate(plans)
        for row, plan in enumerate(plans):
            self._fill_targets(plan, arrays, row)

        def fill(row):
            try:
                return self._fill_pixels(plans[row], arrays, row)
            except ImageError:
                if skip_unreadable:
                    return 0
                raise

        rows = np.array(list(run(fill, range(len(plans)))), np.int64)
        if not rows.all():
            arrays = {name: array[rows > 0] for name, array in arrays.items()}
        # What is annotated of an image that could not be read is not there.
        most = max(rows.max(initial=0), 1)
        if most < arrays["valid"].shape[1]:
            arrays |= {name: arrays[name][:, :most] for name in _PER_INSTANCE}
        return arrays

    def batch_shape(self, shapes: Sequence[Size]) -> Size:
        """(height, width) of a batch of images of these sizes."""
        height, width = np.max([self._padded(shape) for shape in shapes], 0).tolist()
        return padded_to((height, width), self.canvases)

    def _padded(self, shape: tuple[int, int]) -> tuple[int, int]:
        multiple, (height, width) = self.config.pad_multiple, shape
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def _allocate(self, plans: Sequence[Plan]) -> dict[str, np.ndarray]:
        """Arrays for a batch; images and masks hold anything, the others zeros."""
        count, side = len(plans), self.config.mask_resolution
        height, width = self.batch_shape([plan.shape for plan in plans])
        images = self.dataset.images
        most = max(1, *(len(images[plan.image_index].boxes) for plan in plans))
        return {
            "images": _image_memory.empty((count, height, width, 3)),
            "image_sizes": np.zeros((count, 2), np.int32),
            "scales": np.zeros((count, 2), np.float32),
            "original_sizes": np.zeros((count, 2), np.int32),
            "image_index": np.zeros(count, np.int64),
            "stream_index": np.zeros(count, np.int64),
            "boxes": np.zeros((count, most, 4), np.float32),
            "labels": np.zeros((count, most), np.int32),
            "masks": _mask_memory.empty((count, most, side, side)),
            "crowd": np.zeros((count, most), bool),
            "valid": np.zeros((count, most), bool),
        }

    def _fill_targets(self, plan: Plan, arrays: dict, row: int) -> None:
        """Writes all of an example but pixels and masks."""
        record = self.dataset.images[plan.image_index]
        height, width = plan.shape
        arrays["image_sizes"][row] = plan.shape
        arrays["original_sizes"][row] = record.height, record.width
        arrays["image_index"][row] = plan.image_index
        arrays["stream_index"][row] = plan.position
        scales = arrays["scales"][row]
        scales[:] = height / record.height, width / record.width
        instances = len(record.boxes)
        if instances:
            boxes = record.boxes * scales[[1, 0, 1, 0]]
            if plan.flip:
                boxes = transforms.flip_boxes(boxes, width)
            arrays["boxes"][row, :instances] = boxes
            arrays["labels"][row, :instances] = record.labels
            arrays["crowd"][row, :instances] = record.crowd
            arrays["valid"][row, :instances] = True

    def _fill_pixels(self, plan: Plan, arrays: dict, row: int) -> int:
        """Writes the image and the masks; returns the rows of ground truth, at least 1.

        An image that cannot be read is gray in training, and has no instances.
        """
        record = self.dataset.images[plan.image_index]
        size = record.height, record.width
        masks, instances = arrays["masks"][row], len(record.boxes)
        try:
            image = record.read(self.dataset.exif, self._note)
        except ImageError as error:
            self._unreadable.add(plan.image_index, error)
            if not self.training:
                raise
            image, instances = np.full((*size, 3), _GRAY, np.uint8), 0
            for name in _PER_INSTANCE:
                arrays[name][row] = 0
        _fill_canvas(image, plan, arrays["images"][row])
        masks[instances:] = 0
        if instances:
            resolution = self.config.mask_resolution
            plan.masks.compute(resolution, plan.flip, masks[:instances])
        return max(instances, 1)

    def _note(self, text: str) -> None:
        """Says of the first image that is nearly black; the others are like it."""
        with self._lock:
            first, self._noted = not self._noted, True
        if first and self._log is not None:
            self._log(f"{text}; more such images are not named")


def _fill_canvas(image: np.ndarray, plan: Plan, canvas: np.ndarray) -> None:
    """The image, mirrored or not, resized into the corner of a black one."""
    height, width = plan.shape
    if plan.flip:
        image = cv2.flip(image, 1)
    transforms.resize_image(image, height, width, canvas[:height, :width])
    canvas[height:] = 0
    canvas[:height, width:] = 0
