"""Sums over the replicas of a tf.distribute strategy."""

import tensorflow as tf


def cross_replica_sum(value: tf.Tensor) -> tf.Tensor:
    """The sum of `value` over all replicas; `value` itself where there is one.

    Loss normalisers go through it, so that N replicas compute the gradient that one
    replica computes on the same global batch.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
