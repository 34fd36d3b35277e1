"""Evaluation in the course of training."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfmask.config import Config
from tfmask.data.dataset import Dataset
from tfmask.errors import ImageError
from tfmask.training.validation import ValidationLosses

if TYPE_CHECKING:
    from tfmask.evaluation.predictor import Predictor
    from tfmask.evaluation.tiles import TiledPredictor

    AnyPredictor = Predictor | TiledPredictor

_LONGEST_SIDE = 640  # pixels of an image in TensorBoard


class Evaluation(NamedTuple):
    """What an evaluation gives."""

    figures: dict[str, float]  # name -> figure, with that of `evaluation.best`
    results: list[dict]  # COCO results
    pictures: list[np.ndarray]  # [H, W, 3] uint8, ground truth beside prediction
    table: str  # for people


class Evaluator:
    """Evaluates a model on the validation data.

    Args:
      config: data, evaluation, train.eval_losses and train.tensorboard_images.
      dataset: validation data with the classes of the training data.
      log: called with each line of text; None: nothing is said.

    Raises:
      ConfigError: an unknown `evaluation.metric`, or it has no `evaluation.best`.
    """

    def __init__(self, config: Config, dataset: Dataset, log=print):
        from tfmask.evaluation import metrics

        self.config = config
        self.dataset = dataset
        self.log = log
        self._metric = metrics.find_metric(config.evaluation, dataset)
        metrics.check_best(self._metric, dataset, config.evaluation)
        note = metrics.limit_note(dataset, config.model.postprocess.max_detections)
        if note and log is not None:
            log(note)
        # Of figures and of pictures; made once: they hold the compiled functions.
        self._predictors: tuple[AnyPredictor, AnyPredictor] | None = None
        self._losses = None
        if config.train.eval_losses:
            self._losses = ValidationLosses(config, dataset)

    def __call__(self, model, heartbeat=lambda: None) -> Evaluation:
        """Runs the model over the data; `heartbeat` is called after every batch."""
        if self._predictors is None:
            self._predictors = self._make_predictors(model)
        predictor, painter = self._predictors
        settings = self.config.evaluation
        results, judged = predictor.run_dataset(
            self.dataset,
            settings.batch_size,
            lambda done, total: heartbeat(),
            self.log,
        )
        judgement = self._metric.compute(judged, results, settings)
        heartbeat()
        pictures = []
        if self.config.train.tensorboard:
            pictures = self._pictures(judged, painter)
        figures = {name: float(value) for name, value in judgement.items()}
        table = self._metric.format(judgement)
        if self._losses:
            losses = self._losses(model, heartbeat)
            figures |= losses
            table += "\n" + "  ".join(f"{k} {v:.4g}" for k, v in losses.items())
        return Evaluation(figures, results, pictures, table)

    def _make_predictors(self, model) -> "tuple[AnyPredictor, AnyPredictor]":
        from tfmask.evaluation.choose import make_predictor

        config, class_map = self.config, self.dataset.class_map
        predictor = make_predictor(model, config, class_map)
        if "boundary" not in model.masks.terms:
            return predictor, predictor
        # Another one, so that figures do not pay for boundaries.
        return predictor, make_predictor(model, config, class_map, boundaries=True)

    def _pictures(self, dataset: Dataset, painter: "AnyPredictor") -> list[np.ndarray]:
        """The first images that can be read, ground truth beside prediction."""
        from tfmask.evaluation import visualize

        pictures: list[np.ndarray] = []
        for record in dataset.images:
            if len(pictures) == self.config.train.tensorboard_images:
                break
            try:
                image = dataset.read(record)
            except ImageError:  # it was said when it was to be evaluated
                continue
            (prediction,) = painter.predict([image])
            pictures.append(
                visualize.compare(
                    record,
                    image,
                    prediction,
                    dataset.class_map,
                    longest_side=_LONGEST_SIDE,
                )
            )
        return pictures
