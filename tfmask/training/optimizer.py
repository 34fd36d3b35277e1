"""Optimizers by name, with weight decay and bias rates as the lineages have them."""

import contextlib
import difflib
import inspect

import keras

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError
from tfmask.models.learning import WeightRules
from tfmask.training import addons, schedules
from tfmask.training.rates import LearningRate

# Keras optimizers that decay weights by themselves although it is off by default.
_DECOUPLED = ("Lion", "Lamb", "ScheduleFreeAdamW")


def build_optimizer(model, train: TrainConfig) -> "ModelOptimizer":
    """The optimizer that `train.optimizer` names, with its state created.

    Call it inside the scope of the strategy.

    Args:
      model: a built model.
      train: optimizer, learning rate, momentum, weight_decay, decay_bias, decay_norm,
        bias_lr_factor.

    Raises:
      ConfigError: no such optimizer, or it cannot be used here.
    """
    return ModelOptimizer(model, train)


class ModelOptimizer(WeightRules):
    """The optimizer of a run: by its name, and with its learning rate.

    Attributes:
      rate: rates.LearningRate.
    """

    def __init__(self, model, train: TrainConfig):
        optimizer, decoupled = _create(train)
        super().__init__(
            model,
            optimizer,
            weight_decay=train.weight_decay,
            decay_bias=train.decay_bias,
            decay_norm=train.decay_norm,
            bias_lr_factor=train.bias_lr_factor,
            decoupled=decoupled,
        )
        self.rate = LearningRate(optimizer, train)

    def set_step(self, step: int) -> float:
        """Sets the learning rate of a step (0 for the first) and returns it."""
        return self.rate.set_step(step)

    def state(self):
        return [*super().state(), self.rate.given]

    @contextlib.contextmanager
    def averaged_weights(self):
        """Inside it the model has the averaged weights of tfa.MovingAverage or SWA.

        With any other optimizer it does nothing.
        """
        if not hasattr(self.inner, "average_op"):
            yield
            return
        trained = [v.numpy() for v in self.variables]
        for variable in self.variables:
            variable.assign(self.inner.get_slot(variable, "average"))
        try:
            yield
        finally:
            for variable, value in zip(self.variables, trained):
                variable.assign(value)


def _create(train: TrainConfig):
    """(optimizer, whether it decays weights itself)."""
    name, rate = train.optimizer, schedules.peak_learning_rate(train)
    if name.startswith("tfa."):
        return addons.create(name.removeprefix("tfa."), train, rate)
    kind = _keras_class(name)
    options: dict = {"learning_rate": rate}
    if kind.__name__ == "SGD":
        options["momentum"] = train.momentum
    default = inspect.signature(kind).parameters.get("weight_decay")
    decoupled = default is not None and (
        default.default is not None or kind.__name__ in _DECOUPLED
    )
    if decoupled:
        options["weight_decay"] = train.weight_decay
    return kind(**options), decoupled


def _keras_class(name: str):
    """A class of keras.optimizers, by its name in any case."""
    known = {
        key.lower(): value
        for key, value in vars(keras.optimizers).items()
        if inspect.isclass(value)
        and "learning_rate" in inspect.signature(value).parameters
    }
    if name.lower() in known:
        return known[name.lower()]
    names = sorted(value.__name__ for value in known.values())
    near = difflib.get_close_matches(name, names, 3) or names
    raise ConfigError(
        f"train.optimizer={name!r}: expected sgd, a class of keras.optimizers or "
        f"tfa.NAME; near it: {', '.join(near)}"
    )
