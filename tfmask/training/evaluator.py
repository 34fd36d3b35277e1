"""Evaluation in the course of training."""

from typing import NamedTuple

import numpy as np

from tfmask.config import Config


class Evaluation(NamedTuple):
    """What an evaluation gives."""

    figures: dict[str, float]  # name -> figure, with `mask/AP`
    results: list[dict]  # COCO results
    pictures: list[np.ndarray]  # [H, W, 3] uint8, ground truth beside prediction
    table: str  # for people


class Evaluator:
    """Evaluates a model on the validation data.

    Args:
      config: data, evaluation and train.tensorboard_images.
      dataset: a CocoDataset with the classes of the training data.
      log: called with each line of text.
    """

    def __init__(self, config: Config, dataset, log=print):
        self.config = config
        self.dataset = dataset
        self.log = log
        self._predictor = None
        self._painter = None

    def __call__(self, model, heartbeat=lambda: None) -> Evaluation:
        """Runs the model over the data; `heartbeat` is called after every batch."""
        from tfmask.evaluation import coco_metrics
        from tfmask.evaluation.predictor import Predictor

        if self._predictor is None:  # made once: it holds the compiled function
            class_map = self.dataset.class_map
            self._predictor = Predictor(model, self.config.data, class_map)
            self._painter = self._predictor
            if "boundary" in model.masks.terms:
                # Another one, so that figures do not pay for boundaries.
                self._painter = Predictor(
                    model, self.config.data, class_map, boundaries=True
                )
        settings = self.config.evaluation
        results = self._predictor.run_dataset(
            self.dataset, settings.batch_size, lambda done, total: heartbeat()
        )
        metrics = coco_metrics.evaluate(
            self.dataset,
            results,
            max_dets=settings.max_dets,
            boundary=settings.boundary,
            boundary_dilation=settings.boundary_dilation,
            crowded_iou=settings.crowded_iou,
        )
        heartbeat()
        pictures = self._pictures() if self.config.train.tensorboard else []
        figures = {name: float(value) for name, value in metrics.items()}
        return Evaluation(
            figures, results, pictures, coco_metrics.format_table(metrics)
        )

    def _pictures(self) -> list[np.ndarray]:
        """The first images, ground truth beside prediction."""
        from tfmask.data.images.read import read_image
        from tfmask.evaluation import visualize

        records = self.dataset.images[: self.config.train.tensorboard_images]
        if not records:
            return []
        pictures = [
            read_image(r.path, self.dataset.exif, (r.height, r.width)) for r in records
        ]
        predictions = self._painter.predict(pictures)
        return [
            visualize.compare(record, image, prediction, self.dataset.class_map)
            for record, image, prediction in zip(records, pictures, predictions)
        ]
