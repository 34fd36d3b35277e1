"""Non-maximum suppression, greedy, with results of fixed size."""

import math

import tensorflow as tf

# Scores at or below this count as absent. NMS itself drops them.
ABSENT = -1e30


def nms(
    boxes: tf.Tensor, scores: tf.Tensor, iou_threshold: float, max_output: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Greedy suppression of boxes that overlap a better one by more than the threshold.

    Args:
      boxes: `[N, 4]` float32, finite. One at least: of none TensorFlow's GPU kernel
        gives a result that is not padded.
      scores: `[N]` float32; ABSENT or below marks entries to leave out.
      max_output: length of the result.

    Returns:
      (indices `[max_output]` int32 by falling score, anything in padding, as the GPU
      kernel leaves it where no score counts; count, scalar int32)
    """
    with tf.device("CPU:0"):  # where the op reads them
        bounds = tf.constant(iou_threshold), tf.constant(ABSENT)
    # The op's own order of corners does not matter: overlap is symmetric in x and y.
    indices, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=max_output,
        iou_threshold=bounds[0],
        score_threshold=bounds[1],
        pad_to_max_output_size=True,
    )
    return indices, count


def class_offsets(
    boxes: tf.Tensor, classes: tf.Tensor, num_classes: int, image_size: tf.Tensor
) -> tf.Tensor:
    """Moves the boxes of each class to a place of their own, so that one NMS does all.

    Classes are laid out on a square grid of cells as large as the image: the largest
    coordinate grows with the square root of the number of classes, which keeps float32
    overlaps exact to 1e-5 where one row of cells would lose 1e-3.

    Args:
      boxes: `[N, 4]`, inside the image.
      classes: `[N]` int32, 0..num_classes - 1.
      image_size: `[2]` (height, width).

    Returns:
      `[N, 4]` shifted boxes.
    """
    columns = math.ceil(math.sqrt(num_classes))
    cell = tf.reduce_max(tf.cast(image_size, tf.float32)) + 1.0
    x = tf.cast(classes % columns, tf.float32) * cell
    y = tf.cast(classes // columns, tf.float32) * cell
    return boxes + tf.stack([x, y, x, y], axis=-1)
