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
from tfmask.data.augment import Augmenter, Paste
from tfmask.data.box_frames import InstanceMasks
from tfmask.data.canvas import Size, padded_to
from tfmask.data.colour import Colours
from tfmask.data.copy_paste import paste_instances
from tfmask.data.dataset import Dataset
from tfmask.data.memory import Memory
from tfmask.data.order import epoch_order, repeat_factors, repeated_images
from tfmask.data.unreadable import UnreadableImages
from tfmask.data.views import View
from tfmask.data.visible import seen_instances
from tfmask.errors import ImageError

_GRAY = 127  # stands in for an image that cannot be read
_image_memory, _mask_memory = Memory(), Memory()
_PER_INSTANCE = ("boxes", "labels", "masks", "crowd", "valid")


class Plan(NamedTuple):
    """What is to be done for a position in the stream, before anything is read."""

    position: int
    image_index: int  # into the images of the data set
    view: View  # of the image
    # Of instances that are all seen whole, as they are where nothing is cut or pasted.
    masks: InstanceMasks | None
    rows: int  # of ground truth, at most
    colours: Colours | None = None
    paste: Paste | None = None


class ExampleLoader:
    """Loads, augments and resizes examples. Thread-safe.

    Args:
      dataset: the images.
      data_config: pixels, sizes, augmentation, strictness.
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
        self._augmenter = Augmenter(data_config, seed, batch_size)
        self._log = log
        self._lock = threading.Lock()
        self._noted = False
        self._aspects = np.array([r.width / r.height for r in dataset.images])
        self._factors = factors_of(dataset, data_config) if training else None
        self.epoch_size = positions(dataset, self._factors)
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

    def view(self, i: int) -> View:
        """What the example shows of its image; `view(i).shape` is its size."""
        record = self.dataset.images[self.image_index(i)]
        if self.training:
            return self._augmenter.view(i, record)
        shape = transforms.resized_shape(
            record.height,
            record.width,
            self.config.eval_short_side,
            self.config.eval_max_side,
        )
        return View((0, 0, record.width, record.height), shape)

    def padded_shape(self, i: int) -> tuple[int, int]:
        """The example's (height, width) in multiples of `data.pad_multiple`."""
        return self._padded(self.view(i).shape)

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
        record, view = self.dataset.images[index], self.view(i)
        colours = paste = masks = None
        if self.training:
            colours = self._augmenter.colours(i)
            paste = self._augmenter.paste(i, self.dataset.images, view.shape)
        rows = len(record.boxes) + (len(paste.chosen) if paste else 0)
        if not paste and view.shows_all(record.height, record.width):
            # A crowd region is ignored by its box; its mask trains nothing.
            masks = InstanceMasks(
                record.segmentations,
                record.boxes,
                ~record.crowd,
                record.height,
                record.width,
            )
        return Plan(i, index, view, masks, rows, colours, paste)

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
        height, width = self.batch_shape([plan.view.shape for plan in plans])
        most = max(1, *(plan.rows for plan in plans))
        shape = count, height, width, self.config.channels
        return {
            "images": _image_memory.empty(shape),
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
        """Writes all of an example but pixels, masks, and what depends on these."""
        record = self.dataset.images[plan.image_index]
        arrays["image_sizes"][row] = plan.view.shape
        arrays["original_sizes"][row] = record.height, record.width
        arrays["image_index"][row] = plan.image_index
        arrays["stream_index"][row] = plan.position
        arrays["scales"][row] = plan.view.scales
        instances = len(record.boxes)
        if instances and plan.masks is not None:
            arrays["boxes"][row, :instances] = plan.view.boxes(record.boxes)
            arrays["labels"][row, :instances] = record.labels
            arrays["crowd"][row, :instances] = record.crowd
            arrays["valid"][row, :instances] = True

    def _fill_pixels(self, plan: Plan, arrays: dict, row: int) -> int:
        """Writes the image and the masks; returns the rows of ground truth, at least 1.

        An image that cannot be read is gray in training, and has no instances.
        """
        record, view = self.dataset.images[plan.image_index], plan.view
        canvas, masks = arrays["images"][row], arrays["masks"][row]
        height, width = view.shape
        corner = canvas[:height, :width]
        image, instances = self._read(plan.image_index), 0
        if image is None:
            corner[:] = _GRAY
            for name in _PER_INSTANCE:
                arrays[name][row] = 0
        else:
            view.draw(image, corner)
            if plan.masks is None:
                instances = self._fill_seen(plan, arrays, row, corner)
            elif len(record.boxes):
                instances = len(record.boxes)
                resolution, found = self.config.mask_resolution, masks[:instances]
                plan.masks.compute(resolution, view.mirrors_masks, found)
                if view.turns_masks:
                    found[:] = view.turn_masks(found.copy())
            if plan.colours is not None:
                plan.colours.apply(corner)
        canvas[height:] = 0
        canvas[:height, width:] = 0
        masks[instances:] = 0
        return max(instances, 1)

    def _fill_seen(self, plan: Plan, arrays: dict, row: int, corner) -> int:
        """Pastes, and writes the instances that are then in sight; returns how many."""
        record, images = self.dataset.images[plan.image_index], self.dataset.images
        resolution = self.config.mask_resolution
        min_visible = self.config.augment.min_visible
        pasted = None
        if plan.paste is not None:
            other = self._read(plan.paste.image_index)
            if other is not None:
                pasted = paste_instances(
                    images[plan.paste.image_index],
                    other,
                    plan.paste,
                    corner,
                    resolution,
                    min_visible,
                )
        cover = pasted.cover if pasted else None
        seen = seen_instances(record, plan.view, resolution, min_visible, cover)
        count = len(seen.indices)
        arrays["boxes"][row, :count] = seen.boxes
        arrays["labels"][row, :count] = record.labels[seen.indices]
        arrays["crowd"][row, :count] = record.crowd[seen.indices]
        arrays["masks"][row, :count] = seen.masks
        if pasted:
            new = slice(count, count + len(pasted.labels))
            arrays["boxes"][row, new] = pasted.boxes
            arrays["labels"][row, new] = pasted.labels
            arrays["masks"][row, new] = pasted.masks
            count = new.stop
        arrays["valid"][row, :count] = True
        return count

    def _read(self, index: int) -> np.ndarray | None:
        """The pixels of an image; None where it cannot be read, in training.

        Raises:
          ImageError, DataError: as `example`.
        """
        try:
            return self.dataset.read(self.dataset.images[index], self._note)
        except ImageError as error:
            self._unreadable.add(index, error)
            if not self.training:
                raise
            return None

    def _note(self, text: str) -> None:
        """Says of the first image that is nearly black; the others are like it."""
        with self._lock:
            first, self._noted = not self._noted, True
        if first and self._log is not None:
            self._log(f"{text}; more such images are not named")


def factors_of(dataset: Dataset, data_config: DataConfig) -> np.ndarray | None:
    """How often each image comes in an epoch of training; None: each of them once."""
    if not data_config.repeat_threshold:
        return None
    labels = [record.labels[~record.crowd] for record in dataset.images]
    return repeat_factors(labels, data_config.repeat_threshold)


def positions(dataset: Dataset, factors: np.ndarray | None) -> int:
    """Positions of the stream in one epoch."""
    return len(dataset) if factors is None else round(factors.sum())
