"""From a position in the stream to the arrays of one example, in numpy and OpenCV."""

import functools
import threading

import cv2
import numpy as np

from tfmask.config import DataConfig
from tfmask.data import transforms
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.images.read import read_image
from tfmask.data.order import FLIP, SCALE, epoch_order, random_numbers
from tfmask.errors import DataError, ImageError

_GRAY = 127  # stands in for an image that cannot be read


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
        log=print,
    ):
        # Examples are loaded side by side; threads inside OpenCV would fight for cores.
        cv2.setNumThreads(0)
        self.dataset = dataset
        self.config = data_config
        self.training = training
        self.seed = seed
        self.batch_size = batch_size
        self.failures: dict[int, str] = {}  # index into dataset.images -> message
        self._log = log
        self._lock = threading.Lock()
        self._noted = False
        aspects = np.array([r.width / r.height for r in dataset.images])
        group = data_config.group_by_shape
        self._order = functools.lru_cache(maxsize=2)(
            lambda epoch: epoch_order(epoch, seed, aspects, batch_size, group)
        )

    def image_index(self, i: int) -> int:
        """The image at a position of the stream."""
        if not self.training:
            return i
        epoch, position = divmod(i, len(self.dataset))
        return int(self._order(epoch)[position])

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
        multiple = self.config.pad_multiple
        height, width = self.resized_shape(i)
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def example(self, i: int) -> dict[str, np.ndarray]:
        """The example at position i: the same arrays whenever it is called.

        Returns the entries of a batch (see `pipeline`) for one image, without the
        leading dimension. There is always at least one row of ground truth, with
        `valid` false if the image has no objects.

        Raises:
          ImageError: an image cannot be read, in strict mode or in evaluation.
          DataError: more images than `data.max_bad_fraction` cannot be read.
        """
        i = int(i)
        index = self.image_index(i)
        record = self.dataset.images[index]
        flip = False
        if self.training and self.config.flip:
            flip = random_numbers(self.seed, FLIP, i, 1)[0] < self.config.flip
        try:
            size = record.height, record.width
            image = read_image(record.path, self.dataset.exif, size, note=self._note)
            instances = len(record.boxes)
        except ImageError as error:
            self._count_failure(index, error)
            if not self.training:
                raise
            image = np.full((record.height, record.width, 3), _GRAY, np.uint8)
            instances = 0
        example = self._targets(record, instances, self.resized_shape(i), flip)
        example["images"] = self._canvas(image, i, flip)
        example["image_index"] = np.array(index, np.int64)
        example["stream_index"] = np.array(i, np.int64)
        return example

    def _canvas(self, image: np.ndarray, i: int, flip: bool) -> np.ndarray:
        """The image, mirrored or not, resized into the corner of a black one."""
        height, width = self.resized_shape(i)
        canvas = np.zeros((*self.padded_shape(i), 3), np.uint8)
        if flip:
            image = cv2.flip(image, 1)
        transforms.resize_image(image, height, width, canvas[:height, :width])
        return canvas

    def _targets(
        self, record: ImageRecord, instances: int, shape: tuple[int, int], flip: bool
    ) -> dict[str, np.ndarray]:
        height, width = shape
        scales = np.array([height / record.height, width / record.width], np.float32)
        side, rows = self.config.mask_resolution, max(instances, 1)
        boxes = np.zeros((rows, 4), np.float32)
        labels = np.zeros(rows, np.int32)
        masks = np.zeros((rows, side, side), np.uint8)
        crowd = np.zeros(rows, bool)
        if instances:
            boxes[:] = record.boxes * scales[[1, 0, 1, 0]]
            labels[:], crowd[:] = record.labels, record.crowd
        # A crowd region is ignored by its box; its mask trains nothing.
        for j in np.flatnonzero(~crowd[:instances]):
            masks[j] = transforms.box_frame_mask(
                record.segmentations[j],
                record.height,
                record.width,
                record.boxes[j],
                side,
            )
        if flip and instances:
            boxes = transforms.flip_boxes(boxes, width)
            masks = np.ascontiguousarray(masks[:, :, ::-1])
        return {
            "image_sizes": np.array(shape, np.int32),
            "scales": scales,
            "original_sizes": np.array([record.height, record.width], np.int32),
            "boxes": boxes,
            "labels": labels,
            "masks": masks,
            "crowd": crowd,
            "valid": np.arange(rows) < instances,
        }

    def _note(self, text: str) -> None:
        """Says of the first image that is nearly black; the others are like it."""
        with self._lock:
            first, self._noted = not self._noted, True
        if first and self._log is not None:
            self._log(f"{text}; more such images are not named")

    def _count_failure(self, index: int, error: ImageError) -> None:
        """Names an unreadable image once; raises when there are too many."""
        if self.config.strict:
            raise error
        with self._lock:
            if index in self.failures:
                return
            self.failures[index] = str(error)
            failed, total = len(self.failures), len(self.dataset)
            names = "; ".join(list(self.failures.values())[:5])
        # One bad image is allowed in a small set too, if any are.
        fraction = self.config.max_bad_fraction
        allowed = max(int(fraction * total), 1 if fraction > 0 else 0)
        if failed > allowed or failed == total:
            raise DataError(
                f"{failed} of {total} images cannot be read, more than "
                f"data.max_bad_fraction={fraction} allows: {names}"
                + ("; ..." if failed > 5 else ""),
                "too_many_bad_images",
            )
        if self._log is not None:
            use = "trained as an empty gray image" if self.training else "left out"
            self._log(f"image {failed} that cannot be read, {use}: {error}")
