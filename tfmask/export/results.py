"""From the model's output to the names of the TensorFlow Object Detection API.

D detections, T cells per side of a box-frame mask.
"""

import tensorflow as tf


def to_original(outputs: dict, sizes, originals, category_ids) -> dict:
    """Detections in the frame of the original images.

    The model's padding is zero and comes last, and every box that it gives has an area
    inside the image, so that nothing is left to drop.

    Args:
      outputs: of the model: boxes, scores, labels, valid, masks, perhaps mask_scores.
      sizes: `[B, 2]` int32, (height, width) that the model saw, without padding.
      originals: `[B, 2]` int32, (height, width) of the upright original images.
      category_ids: of the data set, one for each class.

    Returns:
      Dict of tensors, padding zero and last:
      num_detections: `[B]` float32.
      detection_boxes: `[B, D, 4]` float32 [ymin, xmin, ymax, xmax], 0..1 of the image.
      detection_boxes_pixels: the same in pixels.
      detection_scores: `[B, D]` float32, falling.
      detection_classes: `[B, D]` float32, category ids.
      detection_masks: `[B, D, T, T]` float32, probabilities in the frame of each box.
      detection_mask_scores: `[B, D]` float32, where the model has a MaskIoU head.
      image_size: `[B, 2]` int32, (height, width) of the originals.
    """
    extent = tf.cast(originals, tf.float32)
    scale = extent / tf.cast(sizes, tf.float32)  # (y, x)
    boxes = tf.gather(outputs["boxes"], [1, 0, 3, 2], axis=-1)  # y before x
    boxes = boxes * tf.concat([scale, scale], 1)[:, None]
    limits = tf.concat([extent, extent], 1)[:, None]
    boxes = tf.clip_by_value(boxes, 0.0, limits)
    present = tf.cast(outputs["valid"], tf.float32)
    ids = tf.constant([0, *category_ids], tf.float32)
    results = {
        "num_detections": tf.reduce_sum(present, 1),
        "detection_boxes": boxes / limits,
        "detection_boxes_pixels": boxes,
        "detection_scores": outputs["scores"],
        "detection_classes": tf.gather(ids, outputs["labels"]) * present,
        "detection_masks": outputs["masks"],
        "image_size": originals,
    }
    if "mask_scores" in outputs:
        results["detection_mask_scores"] = outputs["mask_scores"]
    return results


def full_masks(boxes, masks, count, height, width):
    """Masks on the pixels of the images, by the rule of `evaluation.paste`.

    The bilinear sample of the T x T probabilities at each pixel's centre, cells outside
    the frame counting 0, from 0.5 on.

    Args:
      boxes: `[B, D, 4]` float32 [ymin, xmin, ymax, xmax], pixels.
      masks: `[B, D, T, T]` float32.
      count: `[B]` float32, detections of each image.
      height, width: scalar int32, of the result.

    Returns:
      `[B, D, height, width]` uint8, 0 or 1.
    """
    shape = tf.shape(boxes)
    side = masks.shape[-1]
    valid = tf.sequence_mask(tf.cast(count, tf.int32), shape[1])

    def weights(start, end, pixels):
        """How much each of the T cells gives to each pixel: `[pixels, T]`."""
        centres = tf.range(tf.cast(pixels, tf.float32)) + 0.5
        place = (centres - start) / tf.maximum(end - start, 1e-6) * side - 0.5
        distance = tf.abs(place[:, None] - tf.range(side, dtype=tf.float32))
        inside = (centres >= start) & (centres <= end)
        return tf.maximum(1.0 - distance, 0.0) * tf.cast(inside, tf.float32)[:, None]

    def one(args):
        box, mask, used = args
        rows, columns = weights(box[0], box[2], height), weights(box[1], box[3], width)
        values = tf.matmul(tf.matmul(rows, mask), columns, transpose_b=True)
        return tf.cast((values >= 0.5) & used, tf.uint8)

    flat = (
        tf.reshape(boxes, [-1, 4]),
        tf.reshape(masks, [-1, side, side]),
        tf.reshape(valid, [-1]),
    )
    # One image-sized float array at a time.
    pasted = tf.map_fn(one, flat, fn_output_signature=tf.uint8, parallel_iterations=1)
    return tf.reshape(pasted, [shape[0], shape[1], height, width])
