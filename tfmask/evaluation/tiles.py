"""Prediction on images that are too large for a model, tile by tile."""

import numpy as np

from tfmask.data.dataset import Dataset
from tfmask.evaluation.prediction import DatasetPredictor, Prediction, check_image
from tfmask.evaluation.seams import join_tiles, tile_windows
from tfmask.evaluation.whole_images import stream_images


class TiledPredictor(DatasetPredictor):
    """Cuts large images into tiles, predicts on each, and joins what crosses the seams.

    To the predictor a tile is an image: it is resized by `data.eval_short_side`, so an
    object is `eval_short_side / tile` times as large to the model as in the image. At
    any time a batch of tiles is with the model; what is kept of the others are run
    lengths.

    Args:
      predictor: `predict(images, batch_size=...)`, `data_config`, `class_map` as
        `predictor.Predictor` has them.
      tile: side of a tile, pixels; an image with no longer side is not cut.
      overlap: neighbours share at least so many pixels. Objects up to this length are
        seen whole by some tile; longer ones are joined from their parts.
    """

    def __init__(self, predictor, tile: int, overlap: int):
        self.predictor = predictor
        self.data_config = predictor.data_config
        self.class_map = predictor.class_map
        self.tile = tile
        self.overlap = overlap

    def predict(
        self, images: list[np.ndarray], *, batch_size: int = 1
    ) -> list[Prediction]:
        """As `Predictor.predict`; an image has as many detections as its tiles have."""
        found = []
        for index, image in enumerate(images):
            check_image(image, f"images[{index}]", self.data_config.channels)
            found.append(self._predict(image, batch_size))
        return found

    def stream_dataset(self, dataset: Dataset, batch_size: int = 1, log=print):
        """As `Predictor.stream_dataset`; `batch_size` is of tiles."""

        def predict(image, name):
            return self._predict(image, batch_size)

        return stream_images(predict, dataset, self.data_config, log)

    def _predict(self, image: np.ndarray, batch_size: int) -> Prediction:
        height, width = image.shape[:2]
        windows = tile_windows(height, width, self.tile, self.overlap)
        if len(windows) == 1:
            return self.predictor.predict([image])[0]
        parts: list[Prediction] = []
        for start in range(0, len(windows), batch_size):
            tiles = [
                image[w.y1 : w.y2, w.x1 : w.x2]
                for w in windows[start : start + batch_size]
            ]
            parts += self.predictor.predict(tiles, batch_size=batch_size)
        return join_tiles((height, width), windows, parts)
