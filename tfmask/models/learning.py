"""What one training step does to the weights, in the package's loop and in `fit`."""

from typing import NamedTuple

import tensorflow as tf

from tfmask.layers.naming import named_weights, raw_variable, stored_variable
from tfmask.layers.precast import Precast
from tfmask.models import sgd
from tfmask.ops import momentum_update


class Figures(NamedTuple):
    """What a step tells, the same in every replica."""

    values: tf.Tensor  # [T + 1 + N] float32, see `stacked`
    norms: tf.Tensor  # [V] float32: half the square of each gradient's norm
    finite: tf.Tensor  # bool: false: weights and optimizer were left as they were
    loss_scale: tf.Tensor  # float32: that of this step


class LossScale:
    """Dynamic loss scaling for float16 (Micikevicius et al. 2018, section 3.2).

    Small gradients vanish in float16, so the loss is multiplied by `scale`. A step
    whose gradients overflow is left out and halves it; 2000 good steps double it.

    Args:
      active: whether anything is computed in float16. Otherwise the scale stays 1.
    """

    GROWTH_STEPS = 2000

    def __init__(self, active: bool):
        self.active = active
        with tf.device("CPU:0"):
            self.scale = tf.Variable(2.0**15 if active else 1.0, trainable=False)
            self.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def update(self, finite) -> None:
        """After a step, by whether its gradients were finite; in graphs too."""
        if not self.active:
            return
        finite = tf.convert_to_tensor(finite)
        grows = finite & (self.good_steps + 1 >= self.GROWTH_STEPS)
        halved = tf.maximum(self.scale / 2, 1.0)
        grown = tf.where(grows, self.scale * 2, self.scale)
        good = tf.where(finite & ~grows, self.good_steps + 1, 0)
        self.scale.assign(tf.where(finite, grown, halved))
        self.good_steps.assign(good)


class WeightRules:
    """A Keras optimizer, new or legacy, and the rules that go with it.

    L2 weight decay is added to the gradient here. An optimizer with decoupled decay
    (AdamW, Lion, tfa.SGDW, ...) decays by itself; weights that do not decay are then
    excluded from that. Call it inside the scope of the strategy.

    Args:
      model: a built model. Its trainable weights of now are those that are trained.
      optimizer: it gets its state here.
      weight_decay: of the L2 decay.
      decay_bias, decay_norm: whether biases, and scales and offsets of normalisation,
        decay.
      bias_lr_factor: what gradients of biases are multiplied by.
      decoupled: whether the optimizer decays by itself.

    Attributes:
      paths: path of each trained weight, in the order of its gradients.
      variables: the trained tf.Variables.
    """

    def __init__(
        self,
        model,
        optimizer,
        *,
        weight_decay: float = 0.0,
        decay_bias: bool = True,
        decay_norm: bool = False,
        bias_lr_factor: float = 1.0,
        decoupled: bool = False,
    ):
        self.inner = optimizer
        trained = {id(v) for v in model.trainable_variables}
        named = {k: v for k, v in named_weights(model).items() if id(v) in trained}
        self.paths = tuple(named)
        self._keras_variables = list(named.values())
        self.variables = [raw_variable(v) for v in self._keras_variables]
        switches = {"bias": decay_bias, "norm": decay_norm}
        decayed = [switches.get(_kind(path), True) for path in self.paths]
        self._l2 = [weight_decay if d and not decoupled else 0.0 for d in decayed]
        self._factors = [
            bias_lr_factor if _kind(path) == "bias" else 1.0 for path in self.paths
        ]
        self._legacy = hasattr(optimizer, "_create_all_weights")
        self._is_plain = False
        if self._legacy:
            optimizer._create_all_weights(self.variables)
            return
        excluded = [v for v, d in zip(self._keras_variables, decayed) if not d]
        # Keras allows it before the state exists. An optimizer that has its state has
        # been here before.
        if decoupled and excluded and not is_built(optimizer):
            optimizer.exclude_from_weight_decay(var_list=excluded)
        optimizer.build(self._keras_variables)
        self._is_plain = sgd.is_plain(optimizer, self._keras_variables)

    def decay(self, gradients, share: float, values: dict | None = None) -> list:
        """Adds `share` of the L2 decay to gradients, and applies bias_lr_factor.

        Args:
          gradients: of `variables`.
          share: what part of the decay.
          values: layers.precast.StepWeights.values, of weights that have been read.
        """
        results, values = [], values or {}
        for gradient, variable, l2, factor in zip(
            gradients, self._keras_variables, self._l2, self._factors
        ):
            if l2:
                # The decay is part of the gradient, so a bias decays faster as well.
                variable = stored_variable(variable)
                value = values.get(id(variable))
                value = tf.convert_to_tensor(variable) if value is None else value
                gradient += tf.cast(value, gradient.dtype) * (l2 * share)
            results.append(gradient * factor if factor != 1 else gradient)
        return results

    def apply(self, gradients) -> None:
        """One update. In replica context the gradients are summed over replicas."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        if replicas == 1 and self._is_plain:
            sgd.update(self.inner, gradients, self._keras_variables)
            return
        variables = self.variables if self._legacy else self._keras_variables
        self.inner.apply_gradients(zip(gradients, variables))

    @property
    def has_one_op(self) -> bool:
        """Whether `update` can be used: for SGD with momentum, by a compiled op."""
        return self._is_plain and momentum_update.is_available()

    def update(self, gradients, values, loss_scale, clip_norm: float):
        """Clipping, decay, the finite check and the optimizer by one operation.

        In replica context all replicas give the same gradients and values.

        Args:
          gradients: of `variables`, of the loss times `loss_scale`.
          values: what must be finite beside them.
          clip_norm: bound on the global norm, 0 for none.

        Returns:
          ops.momentum_update.MomentumStep.
        """
        return sgd.update_together(
            self.inner,
            gradients,
            self._keras_variables,
            values,
            loss_scale,
            decays=self._l2,
            factors=self._factors,
            clip_norm=clip_norm,
        )

    def state(self) -> list[tf.Variable]:
        """All variables of the optimizer in a fixed order, for checkpoints."""
        held = self.inner.weights if self._legacy else self.inner.variables
        unique = {id(raw_variable(v)): raw_variable(v) for v in held}
        return list(unique.values())


class Learner:
    """One training step of a model, as each replica runs it.

    The model's losses are divided by counts over all replicas, so gradients are summed:
    N replicas do what one would do. The order is: gradient of the weighted losses,
    clipping by the global norm of the sum, L2 decay, optimizer. Where a loss or a
    gradient is not finite nothing is updated (running statistics of batch norm
    excepted).

    Args:
      model: called with `training=True`; has `compute_losses` and `loss_weights`.
      rules: WeightRules.
      loss_scale: LossScale.
      clip_norm: bound on the global gradient norm, 0 for none.
      compiled_update: XLA compiles all that follows the gradients into a few kernels;
        for one replica.
    """

    def __init__(
        self,
        model,
        rules,
        loss_scale: LossScale,
        clip_norm: float = 0.0,
        compiled_update: bool = False,
    ):
        self.model = model
        self.rules = rules
        self.loss_scale = loss_scale
        self.clip_norm = clip_norm
        self._weights = Precast(model)
        self._compiled_update = None
        if compiled_update:
            self._compiled_update = tf.function(self._update_alone, jit_compile=True)

    def step(self, batch: dict, also=()) -> Figures:
        """Trains on a batch. To be called in a replica.

        Args:
          batch: the rows of this replica.
          also: float32 scalars that are summed over replicas with the losses.
        """
        gradients, values, scale, read = self._differentiate(batch, also)
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        if self._compiled_update is not None:
            norms, finite = self._compiled_update(gradients, values, scale)
        elif self.rules.has_one_op:
            if replicas > 1:
                *gradients, values = _sum_over_replicas([*gradients, values])
            norms, finite = self.rules.update(gradients, values, scale, self.clip_norm)
        else:
            if self.clip_norm and replicas > 1:
                gradients = _sum_over_replicas(gradients)
            gradients, norms = self._prepared(gradients, scale, replicas, read)
            if replicas > 1:
                values, norms = _sum_over_replicas([values, norms])
            finite = _all_finite(values, norms)
            # Optimizers merge replicas, which cannot be done in a branch of one
            # replica: the condition stands outside of them.
            context.merge_call(self._apply, args=(gradients, finite))
        context.merge_call(self._rescale, args=(finite,))
        return Figures(values, norms, finite, scale)

    def _differentiate(self, batch: dict, also):
        """Of this replica: gradients of the loss times the loss scale, values of
        Figures, the loss scale, and weights that were read.
        """
        scale = tf.convert_to_tensor(self.loss_scale.scale)
        with tf.GradientTape() as tape, self._weights.inside() as weights:
            outputs = self.model(batch, training=True)
            losses = self.model.compute_losses(outputs, batch)
            total = weighted_sum(self.model, losses)
            scaled = total * scale if self.loss_scale.active else total
        variables = self.rules.variables
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(tape.gradient(scaled, variables), variables)
        ]
        values = stacked(self.model, losses, total, also)
        return gradients, values, scale, weights.values

    def _prepared(self, gradients, scale, replicas: int, read=None):
        """What the optimizers of all replicas sum up, and the norms of Figures."""
        share = 1 / replicas
        if self.loss_scale.active:
            gradients = [g / tf.cast(scale, g.dtype) for g in gradients]
        norms = tf.stack([tf.nn.l2_loss(tf.cast(g, tf.float32)) for g in gradients])
        if self.clip_norm:
            norm = tf.sqrt(2 * tf.reduce_sum(norms))
            factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
            if replicas > 1:
                factor *= share  # the optimizer sums over replicas again
            gradients = [g * tf.cast(factor, g.dtype) for g in gradients]
        return self.rules.decay(gradients, share, read), norms

    def _update_alone(self, gradients, values, scale):
        """All that one replica does with its gradients: (norms, whether all finite)."""
        gradients, norms = self._prepared(gradients, scale, 1)
        finite = _all_finite(values, norms)

        def apply():
            self.rules.apply(gradients)
            return True

        tf.cond(finite, apply, lambda: False)
        return norms, finite

    def _apply(self, strategy, gradients, finite):
        """Over all replicas: the update, unless something is not finite."""

        def apply():
            strategy.extended.call_for_each_replica(self.rules.apply, (gradients,))
            return True

        finite = strategy.experimental_local_results(finite)[0]
        tf.cond(finite, apply, lambda: False)

    def _rescale(self, strategy, finite):
        """Over all replicas: the loss scale of the next step."""
        self.loss_scale.update(strategy.experimental_local_results(finite)[0])


def _sum_over_replicas(tensors):
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def _all_finite(values, norms) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(tf.concat([values, norms], 0)))


def weighted_sum(model, losses: dict) -> tf.Tensor:
    """The total of loss terms under the model's weights."""
    weights = model.loss_weights.get()
    return tf.add_n([weights[name] * loss for name, loss in losses.items()])


def stacked(model, losses: dict, total, also=()) -> tf.Tensor:
    """Losses in the order of `model.loss_weights.names`, the total, further scalars."""
    return tf.stack([*(losses[k] for k in model.loss_weights.names), total, *also])


def is_built(optimizer) -> bool:
    """Whether a Keras optimizer has its state already."""
    return bool(getattr(optimizer, "built", getattr(optimizer, "_built", False)))


def _kind(path: str) -> str:
    """`bias`, `norm` (scale and offset) or `kernel`, from the name of a weight.

    Slopes of PReLU count as `norm`: decay would pull them to zero, which is ReLU (He et
    al. 2015, "Delving Deep into Rectifiers").
    """
    name = path.split("/")[-1]
    kinds = {"bias": "bias", "gamma": "norm", "beta": "norm", "alpha": "norm"}
    return kinds.get(name, "kernel")
