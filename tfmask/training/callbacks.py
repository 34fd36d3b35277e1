"""Keras callbacks of training."""

import keras

from tfmask.errors import ConfigError
from tfmask.training import schedules


class LossWeightSchedule(keras.callbacks.Callback):
    """Sets the weight of one loss term over the run.

    The mechanism of biased training (MaskPlus, section 3.5): the mask loss weighs 1.5
    in the first half of training and 1 in the second,
    `LossWeightSchedule("mask", "step", [(0, 1.5), (0.5, 1.0)])`.

    The weight is a pure function of the step, so it is right after a resume. It lives
    in `model.loss_weights`. In `tfmask.training` the step and the length of the run are
    known; with `Model.fit` the step is the optimizer's count of updates.

    Args:
      term: a loss term of the model.
      kind: constant, step or linear; see `schedules.loss_weight`.
      points: (at, weight) pairs; `at` is a fraction of the run up to 1, a step above.
      total_steps: length of the run; default: as the training loop says.

    Raises:
      ConfigError: a bad schedule; when training begins, an unknown term.
    """

    def __init__(self, term: str, kind: str, points, total_steps: int | None = None):
        super().__init__()
        self.term = term
        self.kind = kind
        self.points = sorted((float(at), float(weight)) for at, weight in points)
        self.total_steps = total_steps
        schedules.check_points(term, kind, self.points)

    def weight_at(self, step: int) -> float:
        """The weight of the term at a step, 0 for the first."""
        total = self.total_steps or self.params.get("total_steps")
        if not total:
            total = self.params["steps"] * self.params["epochs"]
        return schedules.loss_weight(step, self.kind, self.points, total)

    def on_train_begin(self, logs=None):
        names = self.model.loss_weights.names
        if self.term not in names:
            raise ConfigError(
                f"train.loss_weights.{self.term}: no such loss term; this model has "
                + ", ".join(names)
            )

    def on_train_batch_begin(self, batch, logs=None):
        step = (logs or {}).get("step")
        if step is None:
            step = self.model.optimizer.iterations
        self.model.loss_weights.set(self.term, self.weight_at(int(step)))

    def shown_weight(self, step: int) -> float | None:
        """What the logs show: nothing for a weight that is 1 throughout."""
        if all(weight == 1 for _, weight in self.points):
            return None
        return self.weight_at(step)


def loss_weight_callbacks(train) -> list[LossWeightSchedule]:
    """The callbacks that `train.loss_weights` asks for."""
    return [
        LossWeightSchedule(
            term,
            schedule.kind,
            [(point.at, point.weight) for point in schedule.points],
            train.steps,
        )
        for term, schedule in train.loss_weights.items()
    ]
