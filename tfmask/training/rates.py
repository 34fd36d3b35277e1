"""The learning rate of a run and who sets it: the schedule, or a callback."""

import keras
import numpy as np
import tensorflow as tf

from tfmask.config import TrainConfig
from tfmask.training import schedules


class LearningRate:
    """Sets the rate of an optimizer by the schedule of `train`, until a callback does.

    One of them owns the rate. It is the schedule's at first. The first time that a
    callback sets the optimizer's rate to another value the rate becomes the callback's:
    it stays what callbacks make it for the rest of the run, resumed runs included, and
    the schedule sets it no more. A `keras.callbacks.LearningRateScheduler` owns it from
    the first step.

    Args:
      optimizer: a Keras optimizer. One without a `learning_rate` is left alone.
      train: see `schedules.learning_rate`.

    Attributes:
      handed_over: whether the rate is the callbacks'.
      given: variable for checkpoints: the rate that a callback set, NaN for none.
    """

    def __init__(self, optimizer, train: TrainConfig):
        self._optimizer = optimizer
        self._train = train
        self._peak = schedules.peak_learning_rate(train)
        self._has_rate = hasattr(optimizer, "learning_rate")
        # Decay of tfa.SGDW and tfa.AdamW is not multiplied by the learning rate.
        self._decay_follows = hasattr(optimizer, "_decay_weights_op")
        self._rate = self._peak  # in force
        self._watched = True
        self._restored: float | None = None
        self.handed_over = False
        with tf.device("CPU:0"):
            self.given = tf.Variable(np.nan, dtype=tf.float32, trainable=False)

    def follow(self, callbacks) -> None:
        """Says which callbacks the run has; without any nobody else sets the rate."""
        # To read the rate waits for the device: not every step for nothing.
        self._watched = bool(callbacks)
        if any(isinstance(c, keras.callbacks.LearningRateScheduler) for c in callbacks):
            self._hand_over()

    def set_step(self, step: int) -> float:
        """Sets the rate of a step (0 for the first). Returns the rate in force."""
        self.look()
        if not self.handed_over:
            self._set(schedules.learning_rate(step, self._train))
        return self._rate

    def look(self) -> float:
        """Notices what callbacks did. Returns the rate in force."""
        if self._watched and self._read() != np.float32(self._rate):
            self._hand_over()
        return self._rate

    def restore(self) -> None:
        """After the optimizer and `given` were read from a checkpoint."""
        given = self.given.numpy()
        self._rate = _shortest(self._read())
        self._restored = None if np.isnan(given) else _shortest(given)
        if self._restored is not None or self.handed_over:
            self.reinstate()
            self._hand_over()

    def reinstate(self) -> None:
        """Sets the restored rate again, after callbacks began an epoch anew.

        The epoch had begun before the checkpoint: a callback that halves the rate then
        must not halve it twice.
        """
        if self._restored is not None:
            self._set(self._restored, anew=True)

    def _hand_over(self) -> None:
        """The rate is now what callbacks made it."""
        rate = self._read()
        self.handed_over = True
        self.given.assign(rate)
        self._rate = _shortest(rate)
        self._decay()

    def _read(self) -> np.float32:
        if not self._has_rate:
            return np.float32(self._rate)
        return tf.convert_to_tensor(self._optimizer.learning_rate).numpy()

    def _set(self, rate: float, anew: bool = False) -> None:
        if anew or rate != self._rate:
            if self._has_rate:
                self._optimizer.learning_rate = rate
            self._rate = rate
            self._decay()

    def _decay(self) -> None:
        if self._decay_follows:
            share = self._rate / (self._peak or 1.0)
            self._optimizer.weight_decay = self._train.weight_decay * share


def _shortest(rate: np.float32) -> float:
    """0.3 for the float32 that is nearest to 0.3."""
    return float(str(rate))
