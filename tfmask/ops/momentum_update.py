"""SGD with momentum for all weights at once, by a compiled op.

A step of training a model of a hundred weights is several hundred small operations:
norms, clipping, decay, a check, the optimizer. On a GPU each costs a launch, and the
check, by which the host decides whether to go on, a wait. This is one operation, which
decides where the gradients are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfmask.ops import _library


class MomentumStep(NamedTuple):
    """What `momentum_update` found."""

    norms: tf.Tensor  # [N] float32: half the square of the norm of each gradient
    finite: tf.Tensor  # [] bool; false: nothing was updated


def is_available() -> bool:
    """Whether `momentum_update` can be called for the devices in sight.

    There is no form of it in stock operations: `models.sgd` has the parts.
    """
    return _library.use_compiled(_library.MOMENTUM_UPDATE, "auto")


def momentum_update(
    weights: Sequence[tf.Variable],
    velocities: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor],
    values: tf.Tensor,
    rate: tf.Tensor,
    loss_scale: tf.Tensor,
    *,
    momentum: float,
    nesterov: bool = False,
    decays: Sequence[float],
    factors: Sequence[float],
    clip_norm: float = 0.0,
) -> MomentumStep:
    """One step, unless a gradient or one of `values` is not finite.

    With g each gradient over `loss_scale`, norm that of all g together and
    c = clip_norm / max(norm, clip_norm),

        g' = (c g + decay w) factor
        v  = momentum v - rate g'
        w  = w + v,    with Nesterov's momentum  w + momentum v - rate g'

    In a replica of a `tf.distribute` strategy it updates that replica's copies.

    Args:
      weights, velocities: N float32 variables each, on one device.
      gradients: N float32 tensors of their shapes.
      values: float32 of any shape: losses, for instance.
      rate, loss_scale: [] float32.
      momentum, nesterov: of the rule.
      decays, factors: N numbers.
      clip_norm: 0 for none.

    Raises:
      tf.errors.InvalidArgumentError: shapes or types do not fit, or a variable comes
        twice.
      tf.errors.FailedPreconditionError: a variable has no value.
      RuntimeError: the library is not built.
    """
    _library.use_compiled(_library.MOMENTUM_UPDATE, "compiled")
    found = _library.library(_library.MOMENTUM_UPDATE).tfmask_momentum_update(
        weights=[v.handle for v in weights],
        velocities=[v.handle for v in velocities],
        gradients=gradients,
        values=values,
        rate=rate,
        loss_scale=loss_scale,
        momentum=momentum,
        nesterov=nesterov,
        decays=decays,
        factors=factors,
        clip_norm=clip_norm,
    )
    return MomentumStep(*found)
