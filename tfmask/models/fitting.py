"""Training by Keras's own `compile`, `fit`, `evaluate` and `predict`."""

import keras
import tensorflow as tf

from tfmask.models.learning import (
    Learner,
    LossScale,
    WeightRules,
    stacked,
    weighted_sum,
)
from tfmask.ops.distribute import cross_replica_sum

_RULES = ("clip_norm", "weight_decay", "decay_bias", "decay_norm", "bias_lr_factor")


class LossMeans:
    """Running means of the loss terms and their total, as Keras metrics.

    Not a Keras object itself, so that the model does not take the means for weights.

    Args:
      names: of the loss terms.
    """

    def __init__(self, names):
        self.names = tuple(names)
        self.metrics = [keras.metrics.Mean(name=name) for name in ("loss", *names)]

    def update(self, values) -> dict:
        """Adds the figures of a batch, terms then total; returns the means."""
        total, terms = values[len(self.names)], values[: len(self.names)]
        for index, metric in enumerate(self.metrics):
            metric.update_state(terms[index - 1] if index else total)
        return {metric.name: metric.result() for metric in self.metrics}


class FittedModel(keras.Model):
    """A model that `fit` trains with the step of the package's training loop.

    A subclass has `loss_weights` (layers.loss_weights.LossWeights), `compute_losses
    (outputs, batch)`, a `build` that needs no shape, and `call(batch, training,
    supervised)`: `training` is the mode of layers that differ in it, `supervised` asks
    for what `compute_losses` needs and is as `training` by default.

    `fit` and `evaluate` take batches as `data.pipeline` makes them: dicts with images,
    targets and `stream_index`. Logs are the means over the batches of `loss`, the
    weighted total, and of each loss term without its weight. The training stream is
    endless, `steps_per_epoch` says how much of it is an epoch. `predict` takes dicts
    with `images` and `image_sizes` and gives what `call` gives in inference.

    In `evaluate` nothing is updated: the losses are those of training, on rois sampled
    as in training by draws that depend on the batch alone, but batch norm uses the
    statistics that inference uses.

    A step whose loss or gradient is not finite leaves the weights as they were and
    shows in the logs: `keras.callbacks.TerminateOnNaN` ends the run. Where parts
    compute in float16 the loss is scaled (learning.LossScale), anew in each `compile`.

    Under `MirroredStrategy`, model and `compile` inside its scope, a dataset's batch is
    the global batch. Losses are divided by counts over all replicas and gradients are
    summed once: by the optimizer (both Keras lines do it in `apply_gradients`), or,
    with `clip_norm` or SGD with momentum by the compiled op, before it. A last batch
    too small for all replicas is evaluated by the first; a step on it is refused.
    """

    built: bool
    _learner: Learner  # from `compile` on
    _means: LossMeans
    _rules: dict = {}

    def compile(
        self,
        optimizer="sgd",
        *,
        clip_norm: float = 0.0,
        weight_decay: float = 0.0,
        decay_bias: bool = True,
        decay_norm: bool = False,
        bias_lr_factor: float = 1.0,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = False,
        loss=None,
        metrics=None,
        loss_weights=None,
        weighted_metrics=None,
    ):
        """Says how `fit` trains.

        Args:
          optimizer: a Keras optimizer or its name. Its learning rate is its own.
          clip_norm: bound on the global norm of the gradient over all replicas, 0 for
            none.
          weight_decay: L2, added to the gradient after clipping. Optimizers that decay
            weights themselves have their own.
          decay_bias, decay_norm: whether biases, and scales and offsets of
            normalisation, decay; by either kind of decay.
          bias_lr_factor: what the gradients of biases are multiplied by.
          run_eagerly, steps_per_execution: as in Keras.
          jit_compile: False; "auto" and None are taken for it.
          loss, metrics, loss_weights, weighted_metrics: None. The model has its own
            losses; `model.loss_weights.set` weighs them.

        Raises:
          ValueError: Keras losses or metrics, XLA, an optimizer that scales the loss
            or clips gradients of several replicas, or a second weight decay.
        """
        given = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{name}={value!r}: expected None; the model computes its own "
                    "losses, model.loss_weights.set(term, weight) weighs them and "
                    "tfmask.evaluation measures average precision"
                )
        if jit_compile not in (False, None, "auto"):
            raise ValueError(
                f"jit_compile={jit_compile!r}: expected False; the number of rois and "
                "detections depends on the data, which XLA cannot compile"
            )
        replicas = self.distribute_strategy.num_replicas_in_sync
        optimizer = _usable(keras.optimizers.get(optimizer), replicas)
        if not self.built:
            self.build(None)
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=False,
        )
        self.optimizer = optimizer  # not in Keras's own loss scaling
        # Keras has None for none.
        decay = float(getattr(optimizer, "weight_decay", None) or 0.0)
        if decay and weight_decay:
            raise ValueError(
                f"weight_decay={weight_decay}: {type(optimizer).__name__} decays "
                f"weights itself, by {decay:g}; expected 0 for one of them"
            )
        self._rules = {
            "clip_norm": clip_norm,
            "weight_decay": weight_decay,
            "decay_bias": decay_bias,
            "decay_norm": decay_norm,
            "bias_lr_factor": bias_lr_factor,
        }
        with self.distribute_strategy.scope():
            settings = {k: v for k, v in self._rules.items() if k != "clip_norm"}
            rules = WeightRules(self, optimizer, **settings, decoupled=decay != 0)
            layers = self._flatten_layers(include_self=False)
            half = any(layer.compute_dtype == "float16" for layer in layers)
            self._learner = Learner(self, rules, LossScale(active=half), clip_norm)
            self._means = LossMeans(self.loss_weights.names)

    def train_step(self, data):
        """One step on a batch: see Learner. Returns the mean losses so far."""
        batch = _batch(data)
        if _may_be_empty(batch):
            message = (
                "a replica without an image: expected batches of a multiple of the "
                "replicas, see batch(drop_remainder=True)"
            )
            rows = tf.shape(batch["images"])[0]
            with tf.control_dependencies([tf.debugging.assert_positive(rows, message)]):
                batch = {**batch, "images": tf.identity(batch["images"])}
        return self._means.update(self._learner.step(batch).values)

    def test_step(self, data):
        """The losses of a batch, nothing updated. Returns the mean losses so far."""
        batch = _batch(data)
        if _may_be_empty(batch):
            context = tf.distribute.get_replica_context()
            return self._means.update(context.merge_call(self._uneven, (batch,)))
        return self._means.update(self._losses_of(batch))

    def predict_step(self, data):
        """The detections of a batch."""
        batch = _batch(data)
        if not _may_be_empty(batch):
            return self(batch, training=False)
        # Convolutions need an image: a replica without one computes a black one.
        rows = tf.shape(batch["images"])[0]
        missing = tf.maximum(1 - rows, 0)
        padded = {
            name: tf.pad(value, [[0, missing]] + [[0, 0]] * (value.shape.rank - 1))
            for name, value in batch.items()
        }
        results = self(padded, training=False)
        return {name: value[:rows] for name, value in results.items()}

    def _losses_of(self, batch):
        """Losses and total of a batch, summed over the replicas that compute them."""
        outputs = self(batch, training=False, supervised=True)
        losses = self.compute_losses(outputs, batch)
        total = weighted_sum(self, losses)
        return cross_replica_sum(stacked(self, losses, total))

    def _uneven(self, strategy, batch):
        """Over all replicas: the losses of a batch that may leave some without images.

        Then the first one computes them for all.
        """
        parts = {k: strategy.experimental_local_results(v) for k, v in batch.items()}
        rows = tf.stack([tf.shape(images)[0] for images in parts["images"]])

        def apart():
            values = strategy.extended.call_for_each_replica(self._losses_of, (batch,))
            return strategy.experimental_local_results(values)[0]

        def together():
            return self._losses_of({k: tf.concat(v, axis=0) for k, v in parts.items()})

        return tf.cond(tf.reduce_all(rows > 0), apart, together)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras 3 would add up the replicas' batches to see their shapes, and booleans
        # do not add. The weights are there.
        pass

    @property
    def metrics(self):
        means = getattr(self, "_means", None)
        return super().metrics if means is None else means.metrics

    def get_compile_config(self):
        if getattr(self, "_learner", None) is None:
            return None
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        return {"optimizer": optimizer, **self._rules}

    def compile_from_config(self, config):
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"])
        self.compile(optimizer, **{name: config[name] for name in _RULES})


def _usable(optimizer, replicas: int):
    """The optimizer, unless it does what would count twice, or not as it says."""
    name = type(optimizer).__name__
    if hasattr(optimizer, "inner_optimizer"):
        raise ValueError(
            f"optimizer={name}: the model scales losses of float16 itself; expected "
            "the optimizer inside it"
        )
    for bound in ("clipnorm", "global_clipnorm", "clipvalue"):
        value = getattr(optimizer, bound, None)
        if value is not None and replicas > 1:
            raise ValueError(
                f"{bound}={value} of {name} with {replicas} replicas: Keras clips the "
                "share of each replica; expected compile(clip_norm=...), which clips "
                "the sum"
            )
    return optimizer


def _may_be_empty(batch) -> bool:
    """Whether one of several replicas may get no image of a data set's last batch."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync > 1 and batch["images"].shape[0] is None


def _batch(data) -> dict:
    """The batch in what Keras hands on."""
    if isinstance(data, (tuple, list)) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise ValueError(
            f"a batch of type {type(data).__name__}: expected a dict, as "
            "tfmask.data.pipeline makes them, with the targets in it"
        )
    return data
