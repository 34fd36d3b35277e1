"""SGD with momentum by one operation for each weight.

Keras computes the same with six, each of them a kernel: on a GPU the update of a
hundred weights then takes longer than the work in it.
"""

import keras
import tensorflow as tf

from tfmask.layers.naming import raw_variable

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


def in_one_op(optimizer, variables) -> bool:
    """Whether `update` does what the optimizer would.

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
      optimizer: see `in_one_op`.
      gradients: float32, one for each variable.
      variables: those that the optimizer was built with, in this order.
    """
    rate = tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)
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
