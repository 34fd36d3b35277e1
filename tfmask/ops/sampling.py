"""Matching boxes to ground truth and drawing the ones that train.

Draws are stateless: a function of a seed pair, so that an example trains the same way
whichever replica or run sees it. N candidate boxes, G ground-truth instances; what is
marked ... is nothing, for one image, or B, for a batch.
"""

import tensorflow as tf

from tfmask.ops import boxes as box_ops

# Labels of candidates before drawing.
IGNORE, BACKGROUND, FOREGROUND = -1, 0, 1


def match(
    candidates: tf.Tensor,
    gt_boxes: tf.Tensor,
    gt_usable: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Overlap of candidates with usable ground truth.

    Args:
      candidates: `[..., N, 4]` float32.
      gt_boxes: `[..., G, 4]` float32.
      gt_usable: `[..., G]` bool: neither padding nor crowd.

    Returns:
      (iou `[..., N, G]`, 0 for unusable instances; best `[..., N]` float32, the largest
      overlap of each candidate; index `[..., N]` int32, the instance it is with)
    """
    iou = box_ops.pairwise_iou(candidates, gt_boxes)
    iou = iou * tf.cast(gt_usable, tf.float32)[..., None, :]
    return iou, tf.reduce_max(iou, axis=-1), tf.argmax(iou, -1, output_type=tf.int32)


def best_of_instance(iou: tf.Tensor) -> tf.Tensor:
    """Candidates that overlap some instance as much as any candidate does: `[N]` bool.

    Ties count, instances that nothing overlaps do not.
    """
    best = tf.reduce_max(iou, axis=0, keepdims=True)  # [1, G]
    return tf.reduce_any((iou >= best) & (best > 0.0), axis=1)


def in_crowd(
    candidates: tf.Tensor, gt_boxes: tf.Tensor, crowd: tf.Tensor, threshold: float
) -> tf.Tensor:
    """Candidates that lie in a crowd region by at least `threshold` of their area."""

    def inside():
        share = box_ops.pairwise_ioa(candidates, gt_boxes)
        share = share * tf.cast(crowd, tf.float32)[..., None, :]
        return tf.reduce_max(share, axis=-1) >= threshold

    # Most images have no crowd region, and the table of overlaps is large.
    nowhere = tf.zeros(tf.shape(candidates)[:-1], tf.bool)
    return tf.cond(tf.reduce_any(crowd), inside, lambda: nowhere)


def draw(
    labels: tf.Tensor, batch: int, fg_fraction: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draws candidates at random: a share of foreground at most, else background.

    Args:
      labels: `[..., N]` int32: IGNORE, BACKGROUND, or positive for foreground.
      batch: how many to draw of an image.
      fg_fraction: largest share of foreground.
      seed: `[..., 2]` integer seed pairs, one for each image.

    Returns:
      (index `[..., S]` int32 into the candidates, is_fg `[..., S]` bool, valid
      `[..., S]` bool), S the smaller of `batch` and N; foreground first, padding last.
    """
    total = tf.shape(labels)[-1]

    def random(pair):
        return tf.random.stateless_uniform([total], seed=pair)

    alone = labels.shape.rank == 1
    if alone:
        keys = random(seed)
    else:
        keys = tf.map_fn(random, seed, fn_output_signature=tf.float32)
    limit = tf.minimum(batch, total)
    fg_limit = tf.minimum(int(batch * fg_fraction), total)
    fg_key, fg_index = tf.math.top_k(tf.where(labels > 0, keys, -1.0), fg_limit)
    bg_key, bg_index = tf.math.top_k(tf.where(labels == 0, keys, -1.0), limit)
    fg_valid = fg_key >= 0.0
    num_fg = tf.reduce_sum(tf.cast(fg_valid, tf.int32), axis=-1, keepdims=True)
    bg_valid = (bg_key >= 0.0) & (tf.range(limit) < batch - num_fg)
    index = tf.concat([fg_index, bg_index], axis=-1)
    valid = tf.concat([fg_valid, bg_valid], axis=-1)
    # Valid entries to the front, their order kept.
    order = tf.argsort(tf.cast(~valid, tf.int32), stable=True)[..., :limit]
    is_fg = tf.concat([fg_valid, tf.zeros_like(bg_valid)], axis=-1)
    index, is_fg, valid = (
        tf.gather(v, order, batch_dims=0 if alone else 1) for v in (index, is_fg, valid)
    )
    return index, is_fg, valid
