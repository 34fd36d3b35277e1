"""SGD with momentum by one operation for all weights, or one for each.

Keras computes the same with six for each, each of them a kernel: on a GPU the update of
a hundred weights then takes longer than the work in it.
"""

import keras
import tensorflow as tf

from tfmask.layers.naming import raw_variable
from tfmask.ops.momentum_update import MomentumStep, momentum_update

# What a Keras optimizer may do beside its rule, of either line; none of it is on.
_EXTRAS = (
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)


def is_plain(optimizer, variables) -> bool:
    """Whether `update` and `update_together` do what the optimizer would.

    Args:
      optimizer: a Keras optimizer with its state.
      variables: Keras variables that it trains.
    """
    return (
        type(optimizer) is keras.optimizers.SGD
        and bool(optimizer.momentum)
        and not any(getattr(optimizer, name, None) for name in _EXTRAS)
        and len(optimizer.momentums) == len(variables)
        and all(
            v.dtype == "float32" and getattr(v, "constraint", None) is None
            for v in variables
        )
    )


def update(optimizer, gradients, variables) -> None:
    """One step of the optimizer, in one replica.

    Args:
      optimizer: see `is_plain`.
      gradients: float32, one for each variable.
      variables: those that the optimizer was built with, in this order.
    """
    rate = _rate(optimizer)
    momentum = tf.constant(optimizer.momentum, tf.float32)
    for gradient, variable, velocity in zip(gradients, variables, optimizer.momentums):
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=raw_variable(variable).handle,
            accum=raw_variable(velocity).handle,
            lr=rate,
            grad=gradient,
            momentum=momentum,
            use_nesterov=optimizer.nesterov,
        )
    raw_variable(optimizer.iterations).assign_add(1)


def update_together(
    optimizer, gradients, variables, values, loss_scale, **settings
) -> MomentumStep:
    """One step of the optimizer and all that goes before it, by the compiled op.

    In a replica of a strategy every replica gives the same gradients, and updates its
    own copies of the variables.

    Args:
      optimizer: see `is_plain`.
      gradients: float32, one for each variable, of the loss times `loss_scale`.
      variables: those that the optimizer was built with, in this order.
      values, loss_scale: see `ops.momentum_update`.
      settings: decays, factors and clip_norm, see there.
    """
    done = momentum_update(
        [raw_variable(variable) for variable in variables],
        [raw_variable(velocity) for velocity in optimizer.momentums],
        gradients,
        values,
        _rate(optimizer),
        loss_scale,
        momentum=optimizer.momentum,
        nesterov=optimizer.nesterov,
        **settings,
    )
    iterations = raw_variable(optimizer.iterations)
    iterations.assign_add(tf.cast(done.finite, iterations.dtype))
    return done


def _rate(optimizer) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)
