"""Losses of proposals, boxes and masks: pure functions of tensors.

Every function returns a sum and leaves the division to the caller, which knows the
count over all replicas. With nothing to train on, sum and gradient are zero.
"""

import tensorflow as tf


def smooth_l1(errors: tf.Tensor, beta: float) -> tf.Tensor:
    """Huber-like loss (Fast R-CNN Eq. 3): quadratic below beta, |x| - beta/2 above.

    Args:
      errors: any shape.
      beta: 0 gives plain L1.
    """
    size = tf.abs(errors)
    if beta < 1e-5:
        return size
    return tf.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta)


def objectness_sum(
    logits: tf.Tensor, is_object: tf.Tensor, valid: tf.Tensor
) -> tf.Tensor:
    """Binary cross-entropy of sampled anchors. All `[B, S]`; returns a scalar."""
    loss = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.cast(is_object, tf.float32), logits=logits
    )
    return tf.reduce_sum(loss * tf.cast(valid, tf.float32))


def box_sum(
    deltas: tf.Tensor, targets: tf.Tensor, positive: tf.Tensor, beta: float
) -> tf.Tensor:
    """Smooth L1 over the deltas of positive boxes.

    Args:
      deltas, targets: `[..., 4]`.
      positive: `[...]` bool.
      beta: see `smooth_l1`.

    Returns:
      Scalar: the sum over positive boxes and the four deltas.
    """
    # Targets of other entries may be anything: leave them out before the subtraction,
    # so that nothing that is not finite meets a zero weight.
    positive = positive[..., None]
    errors = tf.where(positive, deltas - tf.where(positive, targets, 0.0), 0.0)
    return tf.reduce_sum(smooth_l1(errors, beta))


def class_sum(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of rois `[M, K + 1]` with labels `[M]`; a scalar."""
    return tf.reduce_sum(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def mask_sum(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of masks (Mask R-CNN sec. 3), averaged over cells.

    Args:
      logits: `[M, S, S]` of each roi's own class.
      targets: `[M, S, S]`, 0..1.

    Returns:
      Scalar: the sum over rois.
    """
    return sum_of_means(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    )


@tf.custom_gradient
def sum_of_means(loss: tf.Tensor):
    """The sum over rois of the mean over cells, of `[M, H, W]`; a scalar."""

    # TensorFlow's own makes a shape on the GPU, for which the host waits.
    def gradient(upstream):
        shape = tf.shape(loss)
        cells = tf.cast(tf.reduce_prod(shape[1:]), loss.dtype)
        return tf.fill(shape, upstream / cells)

    return tf.reduce_sum(tf.reduce_mean(loss, axis=[1, 2])), gradient
