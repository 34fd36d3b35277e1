"""Calls of the compiled update with the cases of its kernels' harness."""

import tensorflow as tf
from momentum_cases import Case, Result

from tfmask.ops.momentum_update import momentum_update


def variables(case: Case):
    """New variables: weights, velocities."""
    return [[tf.Variable(v) for v in vs] for vs in (case.weights, case.velocities)]


def arguments(case: Case, weights, velocities) -> dict:
    return {
        "weights": weights,
        "velocities": velocities,
        "gradients": [tf.constant(g) for g in case.gradients],
        "values": tf.constant(case.values),
        "rate": tf.constant(case.rate),
        "loss_scale": tf.constant(case.loss_scale),
        **case.settings,
    }


def run(case: Case) -> Result:
    """What a call does to new variables."""
    weights, velocities = variables(case)
    found = momentum_update(**arguments(case, weights, velocities))
    return Result(
        found.norms.numpy(),
        bool(found.finite),
        [v.numpy() for v in weights],
        [v.numpy() for v in velocities],
    )
