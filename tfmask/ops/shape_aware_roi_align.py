"""Shape-aware RoIAlign (MR R-CNN sec. 3.1): RoIAlign weighted by a mask.

RoIAlign takes, for bin (h, w) of a box, the mean of bilinear readings f(a_i, b_i) of
the feature map at N places. Shape-aware RoIAlign multiplies each reading with the mask
probability p(c_i, d_i) at the same place (MR R-CNN Eq. 4):

    out[h, w] = 1/N sum_i f(a_i, b_i) p(c_i, d_i)

It divides by the number of samples and not by the sum of the probabilities: a bin that
the mask does not cover is zero.

Where the mask is read (Eq. 5, corrected). The mask has Hp x Wp cells in the frame of
the box (x1, y1, x2, y2); cell j covers [j, j+1) of Wp equal parts and its value stands
at its middle, j + 1/2. A place x in the box lies (x - x1) / (x2 - x1) * Wp parts from
its left edge, and in the frame where the value of cell j is at coordinate j that is

    u = (x - x1) / (x2 - x1) * Wp - 1/2        v = (y - y1) / (y2 - y1) * Hp - 1/2

clamped to the border of the mask. (As printed, Eq. 5 scales by Hp / H with H the number
of bins, although x - x1 is measured in cells of the feature map; pairs x with Hp; and
reads at the edges of the mask's cells instead of their middles.)

Sample k of n on an axis lies at the fraction (k + 1/2) / n of the box. So u is
(k + 1/2) / n * Wp - 1/2 whatever the box is, and boxes without area have a defined
result. Where a box is widened to one cell (`aligned=False`), the mask is stretched
with it.

7x7 bins of 2x2 samples read a 28x28 mask at 2k + 1/2: the mean of two neighbours on
each axis. Shape-aware RoIAlign is then RoIAlign's 14x14 samples, times the mask after
2x2 average pooling, after 2x2 average pooling.
"""

import tensorflow as tf

from tfmask.ops import _library, _roi_gathers
from tfmask.ops._roi_sampling import MAX_SAMPLES, pool_map
from tfmask.ops.roi_levels import LevelsBySize


def shape_aware_roi_align(
    features: list[tf.Tensor],
    boxes: tf.Tensor,
    batch_indices: tf.Tensor,
    levels: tf.Tensor | LevelsBySize,
    masks: tf.Tensor | None,
    size: int,
    strides: list[float],
    sampling_ratio: int = 0,
    aligned: bool = True,
    implementation: str = "auto",
    *,
    inclusive: bool = False,
) -> tf.Tensor:
    """RoIAlign of each box on its level, weighted by its mask.

    The gradient goes to the features and to the masks, none to the boxes. The compiled
    op has no gradient of the gradient. With it a call is one kernel, whatever the
    features' type is, and so is the gradient of the features.

    Args:
      features: one `[B, H, W, C]` per level, all of one floating type.
      boxes: `[M, 4]` float32, pixels. A box that is not finite is read as an empty box
        at the origin.
      batch_indices: `[M]` int32, the image of each box.
      levels: `[M]` int32, index into `features`; or the rule that gives it, which the
        compiled op applies itself.
      masks: `[M, Hp, Wp]` probabilities in the frame of each box; None: plain RoIAlign.
      size: bins per side, S.
      strides: pixels per cell of each level.
      sampling_ratio: samples per bin and axis; 0: ceil(side of the box in cells / S),
        from 1 to 4096, for each box and axis.
      aligned: true: box coordinates are shifted by half a cell (Detectron2); false:
        they are not, and a box is at least one cell wide (maskrcnn-benchmark,
        torchvision).
      implementation: "auto": the compiled op where it can be used; "stock": TensorFlow
        ops only, for an export; "compiled".
      inclusive: x2 - 1 and y2 - 1 are pooled; a rule for the levels sees x2 and y2.

    Returns:
      `[M, S, S, C]` of the features' type. The sums are computed in float32 (float64
      for float64 features) and rounded once; their gradient arrives in the features'
      type, is summed likewise and rounded once.

    Raises:
      ValueError: `strides` is not as long as `features` or not positive; the rule for
        the levels is for another number of them; `size`, `sampling_ratio` or
        `implementation` is not one of those above.
      tf.errors.InvalidArgumentError: a batch index or level is out of range, or shapes
        do not fit.
    """
    if not features or len(features) != len(strides):
        raise ValueError(
            f"{len(features)} feature maps and {len(strides)} strides: expected one "
            "stride for each map"
        )
    if size < 1:
        raise ValueError(f"size={size}: expected at least one bin")
    if not 0 <= sampling_ratio <= MAX_SAMPLES:
        raise ValueError(
            f"sampling_ratio={sampling_ratio}: expected 0 (adaptive) to {MAX_SAMPLES}"
        )
    if not all(0.0 < stride < float("inf") for stride in strides):
        raise ValueError(f"strides={strides}: expected pixels per cell, above 0")
    if isinstance(levels, LevelsBySize):
        if len(levels.areas) != len(features) - 1:
            raise ValueError(
                f"levels={levels}: expected {len(features) - 1} areas for "
                f"{len(features)} feature maps"
            )
    else:
        levels = tf.cast(levels, tf.int32)
    compiled = _library.use_compiled(_library.ROI_ALIGN, implementation)
    features = [tf.convert_to_tensor(f) for f in features]
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
    batch_indices = tf.cast(batch_indices, tf.int32)
    if masks is not None:
        masks = tf.cast(masks, _computed_in(features[0].dtype))
    pool = _pool_compiled if compiled else _pool_stock
    return pool(
        features, boxes, batch_indices, levels, masks, size, strides, sampling_ratio,
        aligned, inclusive,
    )  # fmt: skip


def _computed_in(dtype: tf.DType) -> tf.DType:
    return tf.float64 if dtype == tf.float64 else tf.float32


def _pool_compiled(
    features, boxes, batch_indices, levels, masks, size, strides, sampling_ratio,
    aligned, inclusive,
):  # fmt: skip
    by_size = isinstance(levels, LevelsBySize)
    no_masks = tf.zeros([0, 0, 0], _computed_in(features[0].dtype))
    return _library.library(_library.ROI_ALIGN).tfmask_shape_aware_roi_align(
        features=features,
        boxes=boxes,
        batch_indices=batch_indices,
        levels=[] if by_size else [levels],
        masks=no_masks if masks is None else masks,
        size=size,
        strides=[float(stride) for stride in strides],
        sampling_ratio=sampling_ratio,
        aligned=aligned,
        has_masks=masks is not None,
        level_areas=levels.areas if by_size else [],
        inclusive=inclusive,
    )


@tf.RegisterGradient("Tfmask>ShapeAwareRoiAlign")
def _gradient(op, grad):
    count = op.get_attr("L")
    features, (boxes, batch_indices, *levels, masks) = (
        op.inputs[:count],
        op.inputs[count:],
    )
    names = ["size", "strides", "sampling_ratio", "aligned", "has_masks"]
    names += ["level_areas", "inclusive"]
    result = _library.library(_library.ROI_ALIGN).tfmask_shape_aware_roi_align_grad(
        grad=grad,
        features=features,
        boxes=boxes,
        batch_indices=batch_indices,
        levels=levels,
        masks=masks,
        **{name: op.get_attr(name) for name in names},
    )
    grad_masks = result.grad_masks if op.get_attr("has_masks") else None
    return [*result.grad_features, None, None, *[None for _ in levels], grad_masks]


def _pool_stock(
    features, boxes, batch_indices, levels, masks, size, strides, sampling_ratio,
    aligned, inclusive,
):  # fmt: skip
    """The specification: each level pools its own boxes."""
    stored = features[0].dtype
    features = [tf.cast(f, _computed_in(stored)) for f in features]
    if isinstance(levels, LevelsBySize):
        levels = levels.assign(boxes)
    if inclusive:
        boxes = boxes - tf.constant([0.0, 0.0, 1.0, 1.0])
    checks = [
        *_shape_checks(boxes, batch_indices, levels, masks),
        _range_check("batch index", batch_indices, tf.shape(features[0])[0]),
        _range_check("level", levels, len(features)),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        levels = tf.identity(levels)
    if _roi_gathers.in_use():
        pooled = _roi_gathers.pool_levels(
            features, boxes, batch_indices, levels, masks, size, strides,
            sampling_ratio, aligned,
        )  # fmt: skip
        return tf.cast(pooled, stored)
    rows, pooled = [], []
    for level, (feature, stride) in enumerate(zip(features, strides)):
        chosen = tf.cast(tf.where(levels == level)[:, 0], tf.int32)
        rows.append(chosen)
        pooled.append(
            pool_map(
                feature,
                tf.gather(boxes, chosen),
                tf.gather(batch_indices, chosen),
                None if masks is None else tf.gather(masks, chosen),
                size,
                stride,
                sampling_ratio,
                aligned,
            )
        )
    return tf.cast(tf.dynamic_stitch(rows, pooled), stored)  # [M, S, S, C]


def _shape_checks(boxes, batch_indices, levels, masks):
    rois = tf.shape(boxes)[:1]
    yield tf.debugging.assert_equal(
        tf.shape(boxes), tf.concat([rois, [4]], 0), "boxes: expected the shape [M, 4]"
    )
    for name, tensor in (("batch_indices", batch_indices), ("levels", levels)):
        yield tf.debugging.assert_equal(
            tf.shape(tensor), rois, f"{name}: expected one for each box"
        )
    if masks is not None:
        yield tf.debugging.assert_equal(
            tf.shape(masks)[:1], rois, "masks: expected one for each box"
        )
        yield tf.debugging.assert_positive(
            tf.shape(masks)[1:], "masks: expected at least one pixel"
        )


def _range_check(name, values, limit):
    wrong = tf.where((values < 0) | (values >= limit))[:1, 0]
    return tf.debugging.Assert(
        tf.size(wrong) == 0,
        ["roi", wrong, f"has the {name}", tf.gather(values, wrong)]
        + ["expected 0 to", limit - 1],
    )
