"""How far the compiled RoIAlign and the stock ops are from the NumPy equations.

    python benchmarks/op_parity.py

Prints the parity table of docs/custom_ops.md: for each type, mask and sampling the
largest deviation of the values, of the gradient of the features and of that of the
masks, over boxes inside, across and outside the borders, without area and not finite.
Exit code 1 if one exceeds its tolerance.
"""

import os
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# crop_and_resize computes its places in float32: a place at cell 100 is known to 1e-5.
TOLERANCES = {
    ("float32", "stock"): 1e-3,
    ("float32", "compiled"): 1e-4,
    ("float64", "stock"): 1e-9,
    ("float64", "compiled"): 1e-9,
}
SIZE, STRIDES = 7, [4.0, 8.0]


def inputs(dtype: str):
    rng = np.random.default_rng(0)
    features = [
        rng.normal(size=(2, 100 // 2**i, 120 // 2**i, 16)).astype(dtype)
        for i in range(2)
    ]
    corners = rng.uniform(-60, 520, (60, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    boxes[0, 2:] = boxes[0, :2]
    boxes[1] = boxes[1, [2, 3, 0, 1]]
    boxes[2, 0] = np.nan
    boxes[3, 3] = np.inf
    boxes[4] += 2000
    images, levels = rng.integers(0, 2, (2, 60)).astype(np.int32)
    masks = rng.uniform(size=(60, 28, 28)).astype(dtype)
    weights = rng.normal(size=(60, SIZE, SIZE, 16)).astype(dtype)
    return features, (boxes, images, levels), masks, weights


def deviations(dtype: str, with_masks: bool, sampling: int, aligned: bool):
    """Yields (implementation, largest deviation of each quantity)."""
    import tensorflow as tf
    from roi_align_reference import gradients, pool

    from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

    features, layout, masks, weights = inputs(dtype)
    masks = masks if with_masks else None
    rest = (SIZE, STRIDES, sampling, aligned)
    expected = [pool(features, *layout, masks, *rest)]
    by_feature, by_mask = gradients(features, *layout, masks, *rest, weights)
    expected += [*by_feature, by_mask]
    for implementation in ("stock", "compiled"):
        watched = [tf.constant(f) for f in features]
        mask_tensor = tf.constant(masks) if with_masks else None
        with tf.GradientTape() as tape:
            tape.watch([*watched, mask_tensor] if with_masks else watched)
            pooled = shape_aware_roi_align(
                watched, *layout, mask_tensor, *rest, implementation
            )
        wanted = [*watched, mask_tensor] if with_masks else watched
        found = [pooled, *tape.gradient(pooled, wanted, tf.constant(weights))]
        found = [np.abs(tf.convert_to_tensor(f) - e).max() for f, e in
                 zip(found, expected)]  # fmt: skip
        by_level = max(found[1 : 1 + len(features)])
        yield implementation, (found[0], by_level, *found[1 + len(features) :])


def main() -> int:
    import tensorflow as tf

    print(f"TensorFlow {tf.__version__}\n")
    print(
        "| type | masks | samples | aligned | ops | values | features' gradient |",
        end="",
    )
    print(" masks' gradient |\n|---|---|---|---|---|---|---|---|")
    failed = 0
    for dtype in ("float32", "float64"):
        for with_masks in (False, True):
            for sampling in (0, 2):
                for aligned in (True, False):
                    for ops, found in deviations(dtype, with_masks, sampling, aligned):
                        limit = TOLERANCES[dtype, ops]
                        # A cell sums the terms of many bins.
                        failed += any(f > 10 * limit for f in found) or found[0] > limit
                        cells = [f"{f:.1e}" for f in found] + [""] * (3 - len(found))
                        print(
                            f"| {dtype} | {'28x28' if with_masks else 'none'} | "
                            f"{sampling or 'adaptive'} | {'yes' if aligned else 'no'} "
                            f"| {ops} | {' | '.join(cells)} |",
                            flush=True,
                        )
    print(f"\n{failed} rows exceed their tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
