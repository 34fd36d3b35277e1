"""Random calls of the compiled shape-aware RoIAlign, valid and not.

    PYTHONPATH=tests python tests/fuzz_shape_aware.py --calls 10000 --seed 0

Every valid call must give what the NumPy equations give (compared on a share of the
calls), every invalid one an error of Python. With a sanitized library see
docs/custom_ops.md.
"""

import collections
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fuzzing
import numpy as np
import tensorflow as tf
from roi_align_reference import gradients, pool

from tfmask.ops.roi_levels import LevelsBySize
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

# type and the tolerance of values of order one
DTYPES = (
    (tf.float32, 1e-4),
    (tf.float64, 1e-9),
    (tf.float16, 2e-3),
    (tf.bfloat16, 2e-2),
)
FAULTS = (
    "batch index",
    "level",
    "boxes",
    "indices",
    "masks",
    "areas",
    "stride",
    "empty map",
    "channels",
    "size",
    "sampling ratio",
)


def random_boxes(rng, count, adaptive):
    """Mostly ordinary boxes; some outside, without area, inverted or not finite."""
    corners = rng.uniform(-20, 90, size=(count, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    for box in boxes:
        kind = rng.integers(12)
        if kind == 0:
            box[2:] = box[:2]
        elif kind == 1:
            box[:] = box[[2, 3, 0, 1]]
        elif kind == 2:
            box[rng.integers(4)] = rng.choice([np.nan, np.inf, -np.inf])
        elif kind == 3:
            box += 1000
        elif kind == 4 and not adaptive:
            box *= 10.0 ** rng.integers(1, 30)
        elif kind == 5:
            box[2:] = box[:2] + 1e-6
    return boxes.astype(np.float32)


def random_call(rng):
    """Keyword arguments of a valid call, and its tolerance."""
    dtype, tolerance = DTYPES[rng.integers(len(DTYPES))]
    levels, batch = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    channels = int(rng.choice([1, 2, 3, 8, 16, 17, 33]))
    count = int(rng.integers(0, 6))
    sampling = int(rng.integers(0, 4))
    sides = rng.integers(1, 21, size=(levels, 2))
    masks = None
    if rng.integers(4):
        masks = rng.uniform(size=(count, *rng.integers(1, 9, size=2)))
    chosen = rng.integers(0, levels, size=count).astype(np.int32)
    if rng.integers(3) == 0:
        areas = 20.0 * np.cumprod(rng.uniform(1.5, 9, size=levels - 1))
        chosen = LevelsBySize(tuple(map(float, areas.astype(np.float32))))
    return {
        "features": [
            tf.cast(rng.normal(size=(batch, *s, channels)), dtype).numpy()
            for s in sides
        ],
        "boxes": random_boxes(rng, count, sampling == 0),
        "batch_indices": rng.integers(0, batch, size=count).astype(np.int32),
        "levels": chosen,
        "inclusive": bool(rng.integers(2)),
        "masks": masks,
        "size": int(rng.integers(1, 5)),
        # Not powers of two: places that fall on a border exactly are decided by the
        # last bit.
        "strides": [float(s) for s in rng.uniform(3, 30, size=levels)],
        "sampling_ratio": sampling,
        "aligned": bool(rng.integers(2)),
    }, tolerance


def spoil(rng, call, fault):
    """Makes a call invalid; False where this fault needs what the call has not."""
    count = len(call["boxes"])
    if fault in ("batch index", "level"):
        name = "levels" if fault == "level" else "batch_indices"
        if count == 0 or isinstance(call[name], LevelsBySize):
            return False
        call[name][rng.integers(count)] = rng.choice([-1, -(2**31), 99, 2**31 - 1])
    elif fault == "boxes":
        call["boxes"] = call["boxes"][:, :3]
    elif fault == "indices":
        call["batch_indices"] = np.append(call["batch_indices"], 0).astype(np.int32)
    elif fault == "masks":
        if call["masks"] is None:
            return False
        wrong = np.zeros((count + 1, 2, 2)), np.zeros((count, 0, 2))
        call["masks"] = wrong[rng.integers(2)]
    elif fault == "areas":
        if not isinstance(call["levels"], LevelsBySize):
            return False
        call["levels"] = LevelsBySize((*call["levels"].areas, 1e9))
    elif fault == "stride":
        call["strides"][0] = float(rng.choice([0, -4, np.nan, np.inf]))
    elif fault == "empty map":
        call["features"][0] = call["features"][0][:, :, :0]
    elif fault == "channels":
        if len(call["features"]) == 1:
            return False
        wider = np.concatenate([call["features"][1]] * 2, -1)
        call["features"][1] = wider
    elif fault == "size":
        call["size"] = int(rng.integers(-3, 1))
    else:
        call["sampling_ratio"] = int(rng.choice([-1, 5000]))
    return True


def run(call, graph):
    """Pooled boxes, gradient weights, gradients of the features and of the masks."""
    features = [tf.constant(f) for f in call["features"]]
    masks = None if call["masks"] is None else tf.constant(call["masks"])
    watched = features if masks is None else [*features, masks]
    rest = {k: v for k, v in call.items() if k not in ("features", "masks")}

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(watched)
            pooled = shape_aware_roi_align(
                features=features, masks=masks, implementation="compiled", **rest
            )
        weights = tf.cos(tf.reshape(tf.range(tf.size(pooled)), tf.shape(pooled)) / 7)
        weights = tf.cast(weights, pooled.dtype)
        return pooled, weights, tape.gradient(pooled, watched, weights)

    pooled, weights, by_input = (tf.function(compute) if graph else compute)()
    by_input = [np.asarray(tf.convert_to_tensor(g)) for g in by_input]
    return pooled.numpy(), weights.numpy(), by_input


def compare(call, pooled, weights, by_input, tolerance):
    shorter = {"batch_indices": "images", "sampling_ratio": "sampling"}
    named = {shorter.get(k, k): v for k, v in call.items()}
    if isinstance(named["levels"], LevelsBySize):
        named["levels"] = named["levels"].assign(tf.constant(call["boxes"])).numpy()
    named["boxes"] = call["boxes"] - np.float32([0, 0, 1, 1]) * named.pop("inclusive")
    pooled, weights = (np.asarray(v, np.float64) for v in (pooled, weights))
    by_input = [np.asarray(v, np.float64) for v in by_input]
    np.testing.assert_allclose(pooled, pool(**named), atol=tolerance)
    by_feature, by_mask = gradients(**named, grad=weights)
    for got, expected in zip(by_input, by_feature):
        np.testing.assert_allclose(got, expected, atol=30 * tolerance)
    if call["masks"] is not None:
        np.testing.assert_allclose(by_input[-1], by_mask, atol=30 * tolerance)


def fuzz(seed: int, calls: int, compared: int = 10, in_graph: int = 40) -> dict:
    """Runs random calls; raises at the first that is wrong.

    Args:
      compared: one call of so many is compared with NumPy.
      in_graph: one call of so many runs in a graph, the others eagerly.

    Returns:
      How many were valid, invalid, compared and in a graph.
    """
    counts = collections.Counter()
    for number in range(calls):
        rng = np.random.default_rng([seed, number])
        call, tolerance = random_call(rng)
        graph = number % in_graph == 0
        counts["in a graph"] += graph
        fault = FAULTS[rng.integers(len(FAULTS))] if rng.integers(3) == 0 else None
        if fault and spoil(rng, call, fault):
            counts["invalid"] += 1
            try:
                run(call, graph)
            except (tf.errors.InvalidArgumentError, ValueError):
                continue
            raise AssertionError(f"seed {seed}, call {number}: {fault} is no error")
        counts["valid"] += 1
        pooled, weights, by_input = run(call, graph)
        assert all(np.isfinite(v).all() for v in [pooled, *by_input]), (seed, number)
        if number % compared == 0:
            counts["compared"] += 1
            try:
                compare(call, pooled, weights, by_input, tolerance)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, call {number}") from error
    return dict(counts)


if __name__ == "__main__":
    fuzzing.main(fuzz, __doc__)
