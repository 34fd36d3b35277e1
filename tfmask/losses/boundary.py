"""Boundary supervision of masks (BMask R-CNN sec. 3).

As in losses.detection, sums over rois are returned; the caller divides.
"""

import tensorflow as tf

from tfmask.losses.detection import sum_of_means
from tfmask.ops.distribute import cross_replica_sum

# Added above and below the fraction of Dice, so that two empty maps agree.
_SMOOTH = 1.0


def boundary_targets(masks: tf.Tensor) -> tf.Tensor:
    """The inner boundary of masks: cells of the mask with a neighbour outside.

    The Laplacian (8 in the middle, -1 at the eight neighbours, zeros around the map),
    above 0.1 as in the released code; the paper's threshold of 0 says the same of
    binary masks. Since the map ends in zeros, the mask cells along its edge belong to
    the boundary.

    Args:
      masks: `[M, S, S]`, 0 or 1.

    Returns:
      `[M, S, S]` float32, 0 or 1. No gradient.
    """
    masks = tf.cast(masks, tf.float32)
    around = tf.pad(masks, [[0, 0], [1, 1], [1, 1]])
    rows = around[:, :-2] + around[:, 1:-1] + around[:, 2:]  # [M, S, S + 2]
    sums = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]  # of 3x3 cells
    laplacian = 9.0 * masks - sums
    return tf.stop_gradient(tf.cast(laplacian > 0.1, tf.float32))


def dice(logits: tf.Tensor, targets: tf.Tensor, squared: bool = False) -> tf.Tensor:
    """Dice loss of each map: 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1).

    Args:
      logits: `[M, S, S]`; p is their sigmoid.
      targets: `[M, S, S]`, y.
      squared: p and y are squared in the denominator, as the paper of BMask R-CNN has
        it; its released code has them plain.

    Returns:
      `[M]`.
    """
    probs = tf.sigmoid(logits)
    overlap = tf.reduce_sum(probs * targets, axis=[1, 2])
    sizes = probs * probs + targets * targets if squared else probs + targets
    sizes = tf.reduce_sum(sizes, axis=[1, 2])
    return 1.0 - (2.0 * overlap + _SMOOTH) / (sizes + _SMOOTH)


def balanced_weights(targets: tf.Tensor) -> tf.Tensor:
    """Weights of the cells that give both classes the same total (HED Eq. 2).

    Boundary cells get the share of the others, the others the share of the boundary;
    shares are those of all maps of all replicas.

    Args:
      targets: `[M, S, S]`, 0 or 1.

    Returns:
      `[M, S, S]` float32.
    """
    positive = cross_replica_sum(tf.reduce_sum(targets))
    count = cross_replica_sum(tf.cast(tf.size(targets), tf.float32))
    share = positive / tf.maximum(count, 1.0)
    return tf.where(targets > 0.5, 1.0 - share, share)


def boundary_sum(logits: tf.Tensor, masks: tf.Tensor, settings) -> tf.Tensor:
    """Boundary loss (BMask R-CNN Eq. 2).

    Args:
      logits: `[M, S, S]` of each roi's own class.
      masks: `[M, S, S]`, 0 or 1: the mask targets.
      settings: with the fields of models.mask_branch.BoundarySupervision.

    Returns:
      Scalar: the sum over rois, where cross-entropy is the mean over a roi's cells.
    """
    masks = tf.cast(masks, tf.float32)
    targets = boundary_targets(masks) if settings.target == "boundary" else masks
    total = tf.zeros([])
    if settings.loss in ("dice", "dice_bce"):
        total += tf.reduce_sum(dice(logits, targets, settings.dice_squared))
    if settings.loss != "dice":
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        if settings.loss == "weighted_bce":
            loss *= balanced_weights(targets)
        loss = sum_of_means(loss)
        total += settings.bce_weight * loss if settings.loss == "dice_bce" else loss
    return total
