"""The compiled op on a GPU beside the same op on the CPU."""

import numpy as np
import pytest
import tensorflow as tf

from tfmask.ops import _library
from tfmask.ops.roi_levels import LevelsBySize
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align


def missing() -> str:
    """What there is not, or nothing."""
    if not tf.config.get_visible_devices("GPU"):
        return "TensorFlow sees no GPU"
    if not _library.has_gpu_kernels(_library.ROI_ALIGN):
        return "the compiled ops have no GPU kernels"
    return ""


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(missing()), reason=missing())]
# Of sums in another order, and then of rounding to the type: values of order one.
TOLERANCES = {"float64": 1e-11, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}
STRIDES = [4.0, 8.0, 16.0]
dtypes = pytest.mark.parametrize("dtype", TOLERANCES)


def proposals(count: int, seed: int = 0) -> np.ndarray:
    """Inside, over a border, outside, without area, not finite."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-30, 330, size=(count, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    kind = rng.integers(0, 12, count)
    boxes[kind == 0, 2:] = boxes[kind == 0, :2]
    boxes[kind == 1] += 4000
    boxes[kind == 2, rng.integers(4)] = np.nan
    boxes[kind == 3, rng.integers(4)] = np.inf
    return boxes.astype(np.float32)


def run(device, dtype, boxes, *, size=7, channels=64, masks=None, **options):
    """Pooled boxes and gradients as float64: of the features, of the masks."""
    rng = np.random.default_rng(1)
    wide = tf.float64 if dtype == "float64" else tf.float32
    with tf.device(device):
        features = [
            tf.cast(rng.normal(size=(2, 75 // 2**i, 81 // 2**i, channels)), dtype)
            for i in range(3)
        ]
        grad = tf.cast(rng.normal(size=(len(boxes), size, size, channels)), dtype)
        masks = [] if masks is None else [tf.cast(masks, wide)]
        indices = tf.constant(np.arange(len(boxes)) % 2, tf.int32)
        levels = tf.constant(np.arange(len(boxes)) % 3, tf.int32)
        call = {"batch_indices": indices, "levels": levels, "sampling_ratio": 2}
        call = {**call, **options}
        with tf.GradientTape() as tape:
            tape.watch([*features, *masks])
            pooled = shape_aware_roi_align(
                features=features,
                boxes=tf.constant(boxes),
                masks=masks[0] if masks else None,
                size=size,
                strides=STRIDES,
                implementation="compiled",
                **call,
            )
        found = tape.gradient(pooled, [*features, *masks], grad)
    assert device[:3] in pooled.device and pooled.dtype == dtype
    results = [tf.convert_to_tensor(value) for value in (pooled, *found)]
    return [tf.cast(value, tf.float64).numpy() for value in results]


def check(dtype, boxes, **options):
    on_cpu, on_gpu = (run(d, dtype, boxes, **options) for d in ("CPU:0", "GPU:0"))
    for got, expected in zip(on_gpu, on_cpu, strict=True):
        scale = max(np.abs(expected).max(initial=0), 1)
        np.testing.assert_allclose(
            got / scale, expected / scale, atol=TOLERANCES[dtype]
        )
    return on_gpu


@dtypes
@pytest.mark.parametrize("sampling_ratio", [0, 2])
@pytest.mark.parametrize("mask_shape", [None, (28, 28)])
def test_values_and_gradients_equal_the_cpu(dtype, sampling_ratio, mask_shape):
    masks = mask_shape and np.random.default_rng(2).uniform(size=(60, *mask_shape))
    check(dtype, proposals(60), masks=masks, sampling_ratio=sampling_ratio)


@dtypes
@pytest.mark.parametrize("channels", [1, 7, 136, 520])
def test_any_number_of_channels(dtype, channels):
    check(dtype, proposals(20), channels=channels)


@dtypes
@pytest.mark.parametrize("inclusive", [False, True])
def test_levels_are_chosen_by_the_kernel(dtype, inclusive):
    rule = LevelsBySize.of_pyramid(2, 4, 100.0)
    boxes = proposals(60)
    levels = rule.assign(tf.constant(boxes))
    by_rule = check(dtype, boxes, levels=rule, inclusive=inclusive)
    given = run("GPU:0", dtype, boxes, levels=levels, inclusive=inclusive)
    for got, expected in zip(by_rule, given):
        np.testing.assert_array_equal(got, expected)


@dtypes
def test_two_runs_have_the_same_bits(dtype):
    masks = np.random.default_rng(2).uniform(size=(300, 14, 14))
    runs = [run("GPU:0", dtype, proposals(300), masks=masks) for _ in range(2)]
    for first, second in zip(*runs):
        np.testing.assert_array_equal(first, second)


@dtypes
def test_no_boxes_give_zero_gradients(dtype):
    pooled, *by_feature = run("GPU:0", dtype, proposals(0))
    assert pooled.shape == (0, 7, 7, 64)
    assert not any(gradient.any() for gradient in by_feature)


@pytest.mark.parametrize("name", ["batch_indices", "levels"])
def test_indices_out_of_range_pool_zeros_and_have_no_gradient(name):
    wrong = tf.constant([-1, 3, 99, 2**31 - 1, -(2**31)], tf.int32)
    results = run("GPU:0", "float32", proposals(5, seed=3), **{name: wrong})
    assert not any(value.any() for value in results)


def test_bins_of_a_boundary_head_equal_the_cpu():
    check("float32", proposals(30), size=28)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_million_boxes_equal_the_cpu(dtype):
    boxes = proposals(10**6)
    on_cpu, on_gpu = (
        run(d, dtype, boxes, size=1, channels=8) for d in ("CPU:0", "GPU:0")
    )
    tolerance = TOLERANCES[dtype]
    np.testing.assert_allclose(on_gpu[0], on_cpu[0], atol=4 * tolerance)
    for got, expected in zip(on_gpu[1:], on_cpu[1:]):
        # Each cell is the sum of thousands of terms.
        atol = 1e-2 * np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol)
