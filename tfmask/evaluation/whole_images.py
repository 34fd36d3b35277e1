"""The images of a data set one by one, at their own size."""

from collections.abc import Callable

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.dataset import Dataset
from tfmask.data.images.read import read_image
from tfmask.data.unreadable import UnreadableImages
from tfmask.errors import ImageError
from tfmask.evaluation.prediction import DatasetRun, Prediction, left_out
from tfmask.structures import ClassMap


def run_images(
    predict: Callable[[np.ndarray, str], Prediction],
    dataset: Dataset,
    data_config: DataConfig,
    class_map: ClassMap,
    progress=None,
    log=print,
) -> DatasetRun:
    """`Predictor.run_dataset` for what needs each image whole; arguments as there.

    Args:
      predict: called with an image [H, W, 3] uint8 RGB and its name in messages.
      dataset: the images.
      data_config: strict, max_bad_fraction.
      class_map: which label is which category.
      progress: called as `progress(images done, images in all)` after each image.
      log: called with a line for each image that cannot be read, and for all.

    Raises:
      DataError, EvaluationError: as there.
    """
    say = log or (lambda text: None)
    unread = UnreadableImages(data_config, len(dataset), "left out", log)
    results: list[dict] = []
    for index, record in enumerate(dataset.images):
        size = record.height, record.width
        try:
            image = read_image(record.path, dataset.exif, size, note=say)
        except ImageError as error:
            unread.add(index, error)
            continue
        found = predict(image, f"image {record.image_id!r}")
        results += found.to_results(record.image_id, class_map)
        if progress is not None:
            progress(index + 1 - len(unread.failures), len(dataset))
    if unread.failures:
        say(left_out(len(unread.failures), len(dataset)))
    return DatasetRun(results, dataset.without_images(unread.failures))
