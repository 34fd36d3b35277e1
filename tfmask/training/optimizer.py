"""Optimizers by name, with weight decay and bias rates as the lineages have them."""

import contextlib
import difflib
import inspect

import keras
import tensorflow as tf

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError
from tfmask.layers.naming import named_weights, raw_variable
from tfmask.training import addons, schedules

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


class ModelOptimizer:
    """A Keras optimizer, new or legacy, and the rules that go with it.

    L2 weight decay is added to the gradient here, unless the optimizer has decoupled
    decay (AdamW, Lion, tfa.SGDW, ...), which then gets `train.weight_decay`.

    Attributes:
      inner: the Keras optimizer.
      paths: path of each trained variable, in the order of its gradients.
      variables: the trained tf.Variables.
    """

    def __init__(self, model, train: TrainConfig):
        self.train = train
        trained = {id(v) for v in model.trainable_variables}
        named = {k: v for k, v in named_weights(model).items() if id(v) in trained}
        self.paths = tuple(named)
        self._keras_variables = list(named.values())
        self.variables = [raw_variable(v) for v in self._keras_variables]
        self.inner, decoupled = self._create()
        self._l2 = [
            0.0 if decoupled or not self._is_decayed(path) else train.weight_decay
            for path in self.paths
        ]
        self._factors = [
            train.bias_lr_factor if _kind(path) == "bias" else 1.0
            for path in self.paths
        ]
        self._rate = None
        # Decay of tfa.SGDW and tfa.AdamW is not multiplied by the learning rate.
        self._decay_follows_rate = hasattr(self.inner, "_decay_weights_op")
        if hasattr(self.inner, "_create_all_weights"):
            self._legacy = True
            self.inner._create_all_weights(self.variables)
        else:
            self._legacy = False
            self.inner.build(self._keras_variables)

    def _is_decayed(self, path: str) -> bool:
        switches = {"bias": self.train.decay_bias, "norm": self.train.decay_norm}
        return switches.get(_kind(path), True)

    def _create(self):
        """(optimizer, whether it decays weights itself)."""
        train, name = self.train, self.train.optimizer
        rate = schedules.peak_learning_rate(train)
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
        optimizer = kind(**options)
        excluded = [
            variable
            for path, variable in zip(self.paths, self._keras_variables)
            if not self._is_decayed(path)
        ]
        if decoupled and excluded:
            optimizer.exclude_from_weight_decay(var_list=excluded)
        return optimizer, decoupled

    def set_step(self, step: int) -> float:
        """Sets the learning rate of a step (0 for the first) and returns it."""
        rate = schedules.learning_rate(step, self.train)
        if rate != self._rate and hasattr(self.inner, "learning_rate"):
            self.inner.learning_rate = rate
            if self._decay_follows_rate:
                share = rate / (schedules.peak_learning_rate(self.train) or 1.0)
                self.inner.weight_decay = self.train.weight_decay * share
        self._rate = rate
        return rate

    def decay(self, gradients, share: float) -> list:
        """Adds `share` of the L2 decay to gradients, and applies bias_lr_factor."""
        results = []
        for gradient, variable, l2, factor in zip(
            gradients, self.variables, self._l2, self._factors
        ):
            if l2:
                # The decay is part of the gradient, so a bias decays faster as well.
                value = tf.convert_to_tensor(variable)
                gradient += tf.cast(value, gradient.dtype) * (l2 * share)
            results.append(gradient * factor if factor != 1 else gradient)
        return results

    def apply(self, gradients) -> None:
        """One update. In replica context the gradients are summed over replicas."""
        variables = self.variables if self._legacy else self._keras_variables
        self.inner.apply_gradients(zip(gradients, variables))

    def state(self) -> list[tf.Variable]:
        """All variables of the optimizer in a fixed order, for checkpoints."""
        found = self.inner.weights if self._legacy else self.inner.variables
        unique = {id(raw_variable(v)): raw_variable(v) for v in found}
        return list(unique.values())

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


def _kind(path: str) -> str:
    """`bias`, `norm` (scale and offset) or `kernel`, from the name of a weight.

    Slopes of PReLU count as `norm`: decay would pull them to zero, which is ReLU (He et
    al. 2015, "Delving Deep into Rectifiers").
    """
    name = path.split("/")[-1]
    kinds = {"bias": "bias", "gamma": "norm", "beta": "norm", "alpha": "norm"}
    return kinds.get(name, "kernel")


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
