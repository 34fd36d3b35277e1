"""The training step: one compiled function for one replica or many."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmask.layers.frozen_batch_norm import FoldedNorms
from tfmask.models.learning import Figures, Learner, LossScale
from tfmask.training.devices import local_replicas


class StepResult(NamedTuple):
    """What a step did."""

    losses: dict[str, float]  # unweighted, over the global batch; `loss` is the total
    finite: bool  # false: the weights were not touched
    bad_weights: list[str]  # paths of weights whose gradient is not finite
    stop: bool  # a replica asked to stop
    loss_scale: float  # that the loss was multiplied by

    @property
    def explained(self) -> bool:
        """Whether a smaller loss scale may make the step finite."""
        return self.finite or self.loss_scale > 1


class PendingResult:
    """A step that was started. On a GPU it may still run.

    Args:
      figures: of the compiled step.
      terms: names of the losses.
      paths: of the trained weights.
    """

    def __init__(self, figures: Figures, terms, paths):
        self._figures = figures
        self._terms = terms
        self._paths = paths

    def wait(self) -> StepResult:
        """What the step did, when it is done."""
        values, norms, finite, scale = (value.numpy() for value in self._figures)
        *values, stops = values
        bad = np.flatnonzero(~np.isfinite(norms))
        return StepResult(
            losses={k: float(v) for k, v in zip((*self._terms, "loss"), values)},
            finite=bool(finite),
            bad_weights=[self._paths[i] for i in bad],
            stop=bool(stops > 0),
            loss_scale=float(scale),
        )


class TrainStep:
    """Runs the model on a global batch and updates its weights.

    Each replica takes its rows of its worker's batch, padded as one, and does with them
    what models.learning.Learner says. The statistics of frozen normalisations are those
    that the model has when this is made.

    Args:
      strategy: the tf.distribute strategy that the model was built under.
      model: see Learner.
      optimizer: training.optimizer.ModelOptimizer.
      batch_spec: dict of TensorSpec of this worker's part of a global batch.
      clip_norm: bound on the global gradient norm, 0 for none.
      loss_scale: LossScale; without one the loss is not scaled.
      compiled_update: see Learner.
    """

    def __init__(
        self,
        strategy,
        model,
        optimizer,
        batch_spec,
        clip_norm: float,
        loss_scale: LossScale | None = None,
        compiled_update: bool = False,
    ):
        self.strategy = strategy
        self.learner = Learner(
            model,
            optimizer,
            loss_scale or LossScale(active=False),
            clip_norm,
            compiled_update,
        )
        self.calls = 0
        self._norms = FoldedNorms(model)
        # Sizes that differ between batches are open in the spec: one trace for all.
        self.compiled = tf.function(
            self._global_step,
            input_signature=[batch_spec, tf.TensorSpec([], tf.float32)],
            jit_compile=False,
        )

    def start(self, batch, stop: bool = False) -> PendingResult:
        """Starts a step. `stop`: tell all replicas that this one asks to stop."""
        self.calls += 1
        with self.strategy.scope():
            figures = self.compiled(batch, tf.constant(float(stop), tf.float32))
        learner = self.learner
        names = learner.model.loss_weights.names
        return PendingResult(figures, names, learner.rules.paths)

    def __call__(self, batch, stop: bool = False) -> StepResult:
        """One step; returns when it is done."""
        return self.start(batch, stop).wait()

    def _global_step(self, batch, stop) -> Figures:
        figures = self.strategy.run(self._replica_step, args=(batch, stop))
        return Figures(
            *(self.strategy.experimental_local_results(v)[0] for v in figures)
        )

    def _replica_step(self, batch, stop) -> Figures:
        context = tf.distribute.get_replica_context()
        with self._norms.inside():
            return self.learner.step(self._own_rows(batch, context), also=(stop,))

    def _own_rows(self, batch, context):
        """This replica's rows, cut on the CPU so that only they go to its device."""
        replicas = local_replicas(self.strategy)
        if replicas == 1:
            return batch
        with tf.device("CPU:0"):
            size = batch["images"].shape[0] // replicas
            start = context.replica_id_in_sync_group % replicas * size
            return {key: value[start : start + size] for key, value in batch.items()}
