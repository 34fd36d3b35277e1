"""The images of a data set one by one, at their own size."""

from collections.abc import Callable, Iterator

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.dataset import Dataset
from tfmask.data.unreadable import UnreadableImages
from tfmask.errors import ImageError
from tfmask.evaluation.prediction import Prediction


def stream_images(
    predict: Callable[[np.ndarray, str], Prediction],
    dataset: Dataset,
    data_config: DataConfig,
    log=print,
) -> Iterator[list[tuple[int, Prediction]]]:
    """`DatasetPredictor.stream_dataset` for what needs each image whole.

    Args:
      predict: called with an image [H, W, 3] uint8 RGB and its name in messages.
      dataset: the images.
      data_config: strict, max_bad_fraction.
      log: called with a line for each image that cannot be read.

    Raises:
      DataError, EvaluationError: as there.
    """
    say = log or (lambda text: None)
    unread = UnreadableImages(data_config, len(dataset), "left out", log)
    for index, record in enumerate(dataset.images):
        try:
            image = dataset.read(record, say)
        except ImageError as error:
            unread.add(index, error)
            continue
        yield [(index, predict(image, f"image {record.image_id!r}"))]
