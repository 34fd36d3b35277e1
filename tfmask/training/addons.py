"""The only place that uses tensorflow-addons: its optimizers, by name.

tensorflow-addons is archived and works on TensorFlow 2.15 and Keras 2.15 alone.
"""

import inspect
import re
from typing import Any

import keras

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError

# Optimizers that go around another one; they get SGD with momentum.
_WRAPPERS = ("Lookahead", "MovingAverage", "SWA")


def create(name: str, train: TrainConfig, learning_rate: float):
    """The optimizer of `train.optimizer="tfa.NAME"`.

    Returns:
      (optimizer, whether it decays weights itself, by train.weight_decay).

    Raises:
      ConfigError: tensorflow-addons cannot be used here, has no such optimizer, or it
        needs more than a name.
    """
    kind = _optimizer_class(name)
    accepted = inspect.signature(kind.__init__).parameters
    settings = {
        "learning_rate": learning_rate,
        "momentum": train.momentum,
        "weight_decay": train.weight_decay,
    }
    options: dict[str, Any] = {
        key: value for key, value in settings.items() if key in accepted
    }
    kept = [] if train.decay_bias else ["bias"]
    kept += [] if train.decay_norm else ["gamma", "beta"]
    patterns = [rf"(^|/){word}(/replica_\d+)?(:\d+)?$" for word in kept]
    if name in _WRAPPERS:
        sgd = keras.optimizers.legacy.SGD(learning_rate, momentum=train.momentum)
        options = {"optimizer": sgd}
    elif hasattr(kind, "_decay_weights_op"):
        kind = _decaying_by_name(kind, patterns)
    elif "exclude_from_weight_decay" in accepted:
        options["exclude_from_weight_decay"] = patterns or None
    try:
        return kind(**options), "weight_decay" in options
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"train.optimizer=tfa.{name}: it needs more than a name ({error})"
        ) from error


def _decaying_by_name(kind, patterns: list[str]):
    """SGDW or AdamW that leaves variables of certain names undecayed.

    The class's own `exclude_from_weight_decay` compares variables by identity, which
    never holds for the copies of a MirroredStrategy: nothing would decay there.
    """

    def decays(self, variable):
        return not any(re.search(pattern, variable.name) for pattern in patterns)

    return type(kind.__name__, (kind,), {"_do_use_weight_decay": decays})


def _optimizer_class(name: str):
    if not keras.__version__.startswith("2."):
        raise ConfigError(
            f"train.optimizer=tfa.{name}: tensorflow-addons needs TensorFlow 2.15 with "
            f"Keras 2.15, and this is Keras {keras.__version__}; install "
            "tfmask[addons] in an environment of its own, or choose a Keras optimizer "
            "such as AdamW"
        )
    try:
        from tensorflow_addons import optimizers
    except ImportError as error:
        raise ConfigError(
            f"train.optimizer=tfa.{name}: tensorflow-addons cannot be imported "
            f"({error}); install tfmask[addons]"
        ) from error
    known = {
        key: value
        for key, value in vars(optimizers).items()
        if inspect.isclass(value) and hasattr(value, "apply_gradients")
    }
    if name not in known:
        raise ConfigError(
            f"train.optimizer=tfa.{name}: no such optimizer; known: " + ", ".join(known)
        )
    return known[name]
