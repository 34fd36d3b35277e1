"""RoIAlign (Mask R-CNN sec. 3) on one feature map and on a pyramid.

The sampling is derived in `ops._roi_sampling`; the compiled op and the stock one are
chosen between in `ops.shape_aware_roi_align`, of which RoIAlign is the case without
masks.
"""

import tensorflow as tf

from tfmask.ops.roi_levels import LevelsBySize
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align


def roi_align(
    features: tf.Tensor,
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    size: int,
    stride: float,
    sampling_ratio: int = 0,
    aligned: bool = True,
    implementation: str = "auto",
) -> tf.Tensor:
    """RoIAlign on one feature map.

    Args:
      features: `[B, H, W, C]`, floating.
      boxes: `[M, 4]` float32, pixels of the image. No gradient. A box that is not
        finite is read as an empty box at the origin.
      batch_indices: `[M]` int32, the image of each box.
      size: bins per side, S.
      stride: pixels per cell of the feature map.
      sampling_ratio: samples per bin and axis; 0: ceil(side of the box in cells / S),
        for each box and axis.
      aligned: true: box coordinates are shifted by half a cell (Detectron2); false:
        they are not, and a box is at least one cell wide (maskrcnn-benchmark,
        torchvision).
      implementation: "auto", "stock" or "compiled"; see `shape_aware_roi_align`.

    Returns:
      `[M, S, S, C]`, float64 for float64 features, else float32.
    """
    return shape_aware_roi_align(
        [features],
        boxes,
        batch_indices,
        tf.zeros_like(batch_indices),
        None,
        size,
        [stride],
        sampling_ratio,
        aligned,
        implementation,
    )


def multilevel_roi_align(
    features: list[tf.Tensor],
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    size: int,
    strides: list[float],
    first_level: int = 2,
    sampling_ratio: int = 0,
    aligned: bool = True,
    canonical_size: float = 224.0,
    implementation: str = "auto",
    *,
    masks: tf.Tensor | None = None,
    assign: str = "by_size",
    inclusive: bool = False,
) -> tf.Tensor:
    """RoIAlign of each box on levels of a pyramid, weighted by its mask if it has one.

    Args:
      features: one `[B, H, W, C]` per level, fine to coarse.
      boxes: `[M, 4]` float32, pixels.
      batch_indices: `[M]` int32, the image of each box.
      size, sampling_ratio, aligned: see `roi_align`.
      strides: pixels per cell of each level.
      first_level: number of the finest level, 2 for P2.
      canonical_size: side in pixels of a box that is on level 4, see `LevelsBySize`.
      implementation: "auto", "stock" or "compiled"; see `shape_aware_roi_align`.
      masks: `[M, Hp, Wp]` probabilities in the frame of each box, for shape-aware
        RoIAlign; None: plain RoIAlign.
      assign: "by_size": each box is pooled from the level that fits its size (FPN
        Eq. 1), and the levels are consecutive; "all": from every level (PANet
        sec. 3.2).
      inclusive: boxes stand for maskrcnn-benchmark's, whose corners are the middles of
        the outermost pixels. A side of n such pixels is n long in `boxes`, and that
        chooses the level; RoIAlign reads n - 1, between the middles.

    Returns:
      `[M, size, size, C]` in the order of `boxes`, or `[M, L, size, size, C]` of all L
      levels; float64 for float64 features, else float32.

    Raises:
      ValueError: another `assign`; and see `shape_aware_roi_align`.
    """
    if assign not in ("by_size", "all"):
        raise ValueError(f"assign={assign!r}: expected one of 'by_size', 'all'")
    boxes = tf.stop_gradient(boxes)
    count = len(features)
    levels: tf.Tensor | LevelsBySize
    if assign == "by_size":
        last_level = first_level + count - 1
        levels = LevelsBySize.of_pyramid(first_level, last_level, canonical_size)
    else:
        levels = tf.tile(tf.range(count), tf.shape(boxes)[:1])
        boxes = tf.repeat(boxes, count, axis=0)  # [M*L, 4]
        batch_indices = tf.repeat(batch_indices, count)
        if masks is not None:
            masks = tf.repeat(masks, count, axis=0)
    pooled = shape_aware_roi_align(
        features,
        boxes,
        batch_indices,
        levels,
        masks,
        size,
        strides,
        sampling_ratio,
        aligned,
        implementation,
        inclusive=inclusive,
    )
    if assign == "by_size":
        return pooled
    return tf.reshape(pooled, [-1, count, size, size, pooled.shape[-1]])
