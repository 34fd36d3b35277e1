"""Matching boxes to ground truth and drawing the ones that train.

Draws are stateless: a function of a seed pair, so that an example trains the same way
whichever replica or run sees it. N candidate boxes, G ground-truth instances; what is
marked ... is nothing, for one image, or B, for a batch.

Labels and indices are int64: TensorFlow computes with int32 on the host, also where it
lies on a GPU, which then waits for it twice.
"""

import tensorflow as tf

from tfmask.ops import boxes as box_ops

# Labels of candidates before drawing.
IGNORE, BACKGROUND, FOREGROUND = -1, 0, 1


def labels_of(fg: tf.Tensor, bg: tf.Tensor) -> tf.Tensor:
    """Labels `[...]` int64 of candidates that are foreground, background or neither.

    Args:
      fg, bg: `[...]` bool; what is both is foreground.
    """
    values = (FOREGROUND, BACKGROUND, IGNORE)
    foreground, background, ignore = (tf.constant(v, tf.int64) for v in values)
    return tf.where(fg, foreground, tf.where(bg, background, ignore))


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
      overlap of each candidate; index `[..., N]` int64, the instance it is with)
    """
    iou = box_ops.pairwise_iou(candidates, gt_boxes)
    iou = iou * tf.cast(gt_usable, tf.float32)[..., None, :]
    return iou, tf.reduce_max(iou, axis=-1), tf.argmax(iou, -1)


def best_of_instance(iou: tf.Tensor) -> tf.Tensor:
    """Candidates that overlap some instance as much as any candidate does: `[N]` bool.

    Ties count, instances that nothing overlaps do not.
    """
    best = tf.reduce_max(iou, axis=0, keepdims=True)  # [1, G]
    return tf.reduce_any((iou >= best) & (best > 0.0), axis=1)


def in_crowd(
    candidates: tf.Tensor, gt_boxes: tf.Tensor, crowd: tf.Tensor, threshold: float
) -> tf.Tensor:
    """Candidates that lie in a crowd region by at least `threshold` of their area.

    Args:
      candidates: `[B, N, 4]` float32, or `[1, N, 4]` for every image the same.
      gt_boxes: `[B, G, 4]` float32.
      crowd: `[B, G]` bool: the crowd regions among them.
      threshold: above 0.

    Returns:
      `[B, N]` bool.
    """
    batch, total = tf.shape(gt_boxes)[0], tf.shape(candidates)[1]

    def inside():
        place = tf.where(tf.reshape(crowd, [-1]))[:, 0]  # [C]
        image = place // tf.cast(tf.shape(gt_boxes)[1], tf.int64)
        own = candidates
        if candidates.shape[0] != 1:
            own = tf.gather(candidates, image)
        region = tf.gather(tf.reshape(gt_boxes, [-1, 1, 4]), place)  # [C, 1, 4]
        share = box_ops.ioa(own, region)  # [C, N]
        return tf.math.unsorted_segment_max(share, image, batch) >= threshold

    # Most batches have no crowd region. The host decides, from what it has.
    with tf.device("CPU:0"):
        somewhere = tf.reduce_any(crowd)
    return tf.cond(somewhere, inside, lambda: tf.zeros([batch, total], tf.bool))


def draw(
    labels: tf.Tensor, batch: int, fg_fraction: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draws candidates at random: a share of foreground at most, else background.

    Args:
      labels: `[..., N]` integer: IGNORE, BACKGROUND, or positive for foreground.
      batch: how many to draw of an image.
      fg_fraction: largest share of foreground.
      seed: `[..., 2]` integer seed pairs, one for each image.

    Returns:
      (index `[..., S]` int64 into the candidates, is_fg `[..., S]` bool, valid
      `[..., S]` bool), S the smaller of `batch` and N; foreground first, padding last.
    """
    total = tf.shape(labels)[-1]
    limit = tf.minimum(batch, total)
    fg_limit = tf.minimum(int(batch * fg_fraction), total)
    keys = _random_keys(seed, total)
    fg_key, fg_index = tf.math.top_k(tf.where(labels > 0, keys, -1.0), fg_limit)
    bg_key, bg_index = tf.math.top_k(tf.where(labels == 0, keys, -1.0), limit)
    fg_valid = fg_key >= 0.0
    num_fg = tf.reduce_sum(tf.cast(fg_valid, tf.int64), axis=-1, keepdims=True)
    places = tf.cast(tf.range(limit), tf.int64)
    bg_valid = (bg_key >= 0.0) & (places < batch - num_fg)
    index = tf.concat([tf.cast(i, tf.int64) for i in (fg_index, bg_index)], axis=-1)
    valid = tf.concat([fg_valid, bg_valid], axis=-1)
    # Valid entries to the front, their order kept: of equals the first is the larger.
    order = tf.math.top_k(tf.cast(valid, tf.float32), limit).indices
    is_fg = tf.concat([fg_valid, tf.zeros_like(bg_valid)], axis=-1)
    alone = labels.shape.rank == 1
    index, is_fg, valid = (
        tf.gather(v, order, batch_dims=0 if alone else 1) for v in (index, is_fg, valid)
    )
    return index, is_fg, valid


def _random_keys(seed, count):
    """Numbers `[..., count]` float32, 0..1, of seeds `[..., 2]`."""

    def random(pair):
        return tf.random.stateless_uniform([count], seed=pair)

    if seed.shape.rank == 1:
        return random(seed)
    if seed.shape[0] is None:
        return tf.map_fn(random, seed, fn_output_signature=tf.float32)
    with tf.device("CPU:0"):  # where seeds are read
        pairs = tf.unstack(seed)
    return tf.stack([random(pair) for pair in pairs])
