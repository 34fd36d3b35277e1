"""Layers that run one after another, or side by side."""

import functools

import tensorflow as tf


def build_chain(layers, channels: int) -> int:
    """Builds convolutions that run one after another.

    Args:
      layers: each with `filters`, its output channels.
      channels: of what the first reads.

    Returns:
      Channels of the last, or `channels` where there is none.
    """
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.filters
    return channels


def build_dense_chain(layers, width: int) -> int:
    """The same for dense layers, each with `units`."""
    for layer in layers:
        layer.build((None, width))
        width = layer.units
    return width


def run_chain(layers, x: tf.Tensor):
    """Runs layers one after another."""
    for layer in layers:
        x = layer(x)
    return x


def maximum_of_levels(layers, x: tf.Tensor):
    """Runs each pyramid level's own layer on its features (PANet sec. 3.2).

    Args:
      layers: L of them, which give the same shape.
      x: `[M, L, ...]`.

    Returns:
      What they give of `[M, ...]`, at each place the largest of the L values.
    """
    levels = zip(layers, tf.unstack(x, num=len(layers), axis=1))
    return functools.reduce(tf.maximum, [layer(level) for layer, level in levels])
