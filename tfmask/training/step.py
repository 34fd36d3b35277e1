"""The training step: one compiled function for one replica or many."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmask.training.devices import local_replicas


class StepResult(NamedTuple):
    """What a step did."""

    losses: dict[str, float]  # unweighted, over the global batch; `loss` is the total
    finite: bool  # false: the weights were not touched
    bad_weights: list[str]  # paths of weights whose gradient is not finite
    stop: bool  # a replica asked to stop


class LossScale:
    """Dynamic loss scaling for float16 (Micikevicius et al. 2018, section 3.2).

    Small gradients vanish in float16, so the loss is multiplied by `scale`. A step
    whose gradients overflow is left out and halves it; 2000 good steps double it.
    """

    GROWTH_STEPS = 2000

    def __init__(self, precision: str):
        self.active = precision == "float16"
        with tf.device("CPU:0"):
            self.scale = tf.Variable(2.0**15 if self.active else 1.0, trainable=False)
            self.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def update(self, finite: bool) -> bool:
        """After a step. Returns whether the scale can explain that it overflowed."""
        if not self.active:
            return finite
        scale, good = float(self.scale), int(self.good_steps)
        if not finite:
            self.scale.assign(max(scale / 2, 1.0))
            self.good_steps.assign(0)
            return scale > 1
        grown = good + 1 == self.GROWTH_STEPS
        self.scale.assign(scale * 2 if grown else scale)
        self.good_steps.assign(0 if grown else good + 1)
        return True


class TrainStep:
    """Runs the model on a global batch and updates its weights.

    Each replica takes its rows of its worker's batch, padded as one. The model's losses
    are divided by counts over all replicas, so gradients are summed: N replicas do what
    one would do. The order is: gradient of the weighted losses, clipping by global
    norm, L2 decay, optimizer. Where a loss or a gradient is not finite nothing is
    updated (running statistics of batch norm excepted).

    Args:
      strategy: the tf.distribute strategy that the model was built under.
      model: called with `training=True`; has `compute_losses` and `loss_weights`.
      optimizer: training.optimizer.ModelOptimizer.
      batch_spec: dict of TensorSpec of this worker's part of a global batch.
      clip_norm: bound on the global gradient norm, 0 for none.
    """

    def __init__(self, strategy, model, optimizer, batch_spec, clip_norm: float):
        self.strategy = strategy
        self.model = model
        self.optimizer = optimizer
        self.clip_norm = clip_norm
        self.replicas = strategy.num_replicas_in_sync
        self.terms: tuple[str, ...] = ()
        self.calls = 0
        scalar = tf.TensorSpec([], tf.float32)
        # Sizes that differ between batches are open in the spec: one trace for all.
        self.compiled = tf.function(
            self._global_step,
            input_signature=[batch_spec, scalar, scalar],
            jit_compile=False,
        )

    def __call__(self, batch, loss_scale: float = 1.0, stop: bool = False):
        """One step. Returns a StepResult when it is done."""
        self.calls += 1
        with self.strategy.scope():
            done = self.compiled(
                batch,
                tf.constant(loss_scale, tf.float32),
                tf.constant(float(stop), tf.float32),
            )
        finite, (*values, stops), norms = (value.numpy() for value in done)
        bad = np.flatnonzero(~np.isfinite(norms))
        return StepResult(
            losses={k: float(v) for k, v in zip((*self.terms, "loss"), values)},
            finite=bool(finite),
            bad_weights=[self.optimizer.paths[i] for i in bad],
            stop=bool(stops > 0),
        )

    def _global_step(self, batch, loss_scale, stop):
        gradients, finite, values, norms = self.strategy.run(
            self._gradients, args=(batch, loss_scale, stop)
        )

        def first(value):
            return self.strategy.experimental_local_results(value)[0]

        def update():
            self.strategy.run(self.optimizer.apply, args=(gradients,))
            return True

        # The condition stands outside strategy.run, because optimizers merge replicas
        # and that cannot be done in a branch of one replica.
        finite = tf.cond(first(finite), update, lambda: False)
        return finite, first(values), first(norms)

    def _gradients(self, batch, loss_scale, stop):
        """In each replica: its share of the gradients, and sums over all replicas."""
        context = tf.distribute.get_replica_context()
        batch = self._own_rows(batch, context)
        with tf.GradientTape() as tape:
            outputs = self.model(batch, training=True)
            losses = self.model.compute_losses(outputs, batch)
            weights = self.model.loss_weights.get()
            total = tf.add_n([weights[name] * loss for name, loss in losses.items()])
            scaled = total * loss_scale
        self.terms = tuple(losses)
        variables = self.optimizer.variables
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(tape.gradient(scaled, variables), variables)
        ]
        gradients = [g / tf.cast(loss_scale, g.dtype) for g in gradients]
        values = tf.stack([*losses.values(), total, stop])
        share = 1 / self.replicas
        if self.clip_norm and self.replicas > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norms = tf.stack([tf.nn.l2_loss(tf.cast(g, tf.float32)) for g in gradients])
        if self.clip_norm:
            norm = tf.sqrt(2 * tf.reduce_sum(norms))
            factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
            if self.replicas > 1:
                factor *= share  # the optimizer sums over replicas again
            gradients = [g * tf.cast(factor, g.dtype) for g in gradients]
        gradients = self.optimizer.decay(gradients, share)
        if self.replicas > 1:
            values, norms = context.all_reduce(
                tf.distribute.ReduceOp.SUM, [values, norms]
            )
        finite = tf.reduce_all(tf.math.is_finite(tf.concat([values, norms], 0)))
        return gradients, finite, values, norms

    def _own_rows(self, batch, context):
        """This replica's rows, cut on the CPU so that only they go to its device."""
        replicas = local_replicas(self.strategy)
        if replicas == 1:
            return batch
        with tf.device("CPU:0"):
            size = batch["images"].shape[0] // replicas
            start = context.replica_id_in_sync_group % replicas * size
            return {key: value[start : start + size] for key, value in batch.items()}
