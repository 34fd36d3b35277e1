"""Roi features: what is pooled, and any leading shape as a flat batch."""

import math
from typing import NamedTuple

import tensorflow as tf

from tfmask.ops._roi_sampling import for_converter


class RoISpec(NamedTuple):
    """What a head wants pooled for each roi.

    `levels`: names of the pyramid levels to pool from; None: all that the neck offers
    for rois. `assign`: `by_size` pools each roi from the level that fits its size (FPN
    Eq. 1) and gives `[M, S, S, C]`; `all` pools it from every level and gives
    `[M, L, S, S, C]`, as adaptive feature pooling wants (PANet sec. 3.2).
    """

    size: int  # bins per side, S
    levels: tuple[str, ...] | None = None
    assign: str = "by_size"

    @property
    def rank(self) -> int:
        """Axes of the feature of one roi."""
        return 4 if self.assign == "all" else 3


def flatten_rois(x: tf.Tensor, rank: int = 3) -> tuple[tf.Tensor, tf.Tensor]:
    """`[..., S, S, C]` -> (`[M, S, S, C]`, leading shape).

    `rank` is the number of axes that stay, 4 for `[..., L, S, S, C]`.

    Without any roi the result has one of zeros: TensorFlow's CPU convolutions give an
    empty batch the wrong number of channels. `restore_rois` takes it away again.
    """
    shape = tf.shape(x)
    inner = x.shape[-rank:]
    flat = tf.reshape(x, tf.concat([[-1], shape[-rank:]], 0))
    if for_converter():  # OpenVINO's branches give a wrong first result
        missing = tf.cast(tf.equal(tf.shape(flat)[0], 0), tf.int32)
        flat = tf.pad(flat, [[0, missing], *[[0, 0]] * rank])
    else:
        flat = tf.cond(
            tf.size(flat) > 0,
            lambda: flat,
            lambda: tf.zeros(tf.concat([[1], shape[-rank:]], 0), x.dtype),
        )
    return tf.ensure_shape(flat, [None, *inner]), shape[:-rank]


def restore_rois(x: tf.Tensor, lead: tf.Tensor) -> tf.Tensor:
    """`[M, ...]` -> `[*lead, ...]`, the inverse of `flatten_rois`."""
    count = math.prod(tf.unstack(lead))  # not reduce_prod: that has no host kernel
    x = x[:count]
    return tf.reshape(x, tf.concat([lead, tf.shape(x)[1:]], 0))
