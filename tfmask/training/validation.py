"""The losses on the validation data, in the course of training."""

from collections.abc import Callable

import tensorflow as tf

from tfmask.config import Config
from tfmask.data import pipeline
from tfmask.data.dataset import Dataset
from tfmask.models.learning import stacked, weighted_sum


class ValidationLosses:
    """The training losses of a model on validation data, nothing updated.

    As `evaluate` of models.fitting.FittedModel, on the images as an evaluation sees
    them: one size, not flipped. Images that cannot be read are left out.

    Args:
      config: data and evaluation.batch_size.
      dataset: validation data with the classes of the training data.
    """

    def __init__(self, config: Config, dataset: Dataset):
        self.config = config
        self.dataset = dataset
        self._compiled: Callable | None = None

    def __call__(self, model, heartbeat=lambda: None) -> dict[str, float]:
        """The means over the batches: `loss`, the weighted total, and `loss/TERM`."""
        batches = pipeline.evaluation_dataset(
            self.dataset,
            self.config.data,
            self.config.evaluation.batch_size,
            log=lambda text: None,  # the evaluation says it
        )
        if self._compiled is None:  # made once, with open sizes

            def figures(batch):
                outputs = model(batch, training=False, supervised=True)
                losses = model.compute_losses(outputs, batch)
                return stacked(model, losses, weighted_sum(model, losses))

            spec = batches.element_spec
            self._compiled = tf.function(figures, input_signature=[spec])
        values = []
        for batch in batches:
            values.append(self._compiled(batch).numpy())
            heartbeat()
        names = [f"loss/{name}" for name in model.loss_weights.names]
        if not values:
            return {}
        means = sum(values[1:], values[0]) / len(values)
        return dict(zip((*names, "loss"), means.tolist()))
