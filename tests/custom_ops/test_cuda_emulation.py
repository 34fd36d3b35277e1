"""The CUDA kernels, compiled for the CPU with every thread a coroutine."""

import os
import shutil

import cuda_library
import numpy as np
import pytest
import roi_cases
import roi_reference

pytestmark = [
    pytest.mark.skipif(
        shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler"
    ),
    pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning"),
]


@pytest.fixture(scope="module")
def launchers(tmp_path_factory):
    built = tmp_path_factory.mktemp("emulation") / "emulation.so"
    return cuda_library.emulated(cuda_library.build_emulation(built))


@pytest.fixture
def reorder(launchers):
    """Runs threads and blocks in another order at each call."""
    launchers.library.tfmask_emulation_order(0)
    seeds = iter(range(1, 100))
    yield lambda: launchers.library.tfmask_emulation_order(next(seeds))
    launchers.library.tfmask_emulation_order(0)


@pytest.mark.parametrize("case", roi_cases.special_cases(), ids=lambda case: case.name)
def test_special_calls_equal_numpy_in_any_order_of_threads(launchers, reorder, case):
    roi_cases.check(launchers, case, reorder)


@pytest.mark.parametrize("dtype", cuda_library.DTYPES)
@pytest.mark.parametrize("seed", range(6))
def test_random_calls_equal_numpy_in_any_order_of_threads(
    launchers, reorder, dtype, seed
):
    reorder()
    if seed % 2:
        reorder()
    roi_cases.check(launchers, roi_cases.random_case(seed, dtype=dtype), reorder)


def test_a_box_with_a_constant_mask_by_hand(launchers):
    # Cells 0, 1 / 2, 3; the box covers the map, so that bin h, w reads the middle of
    # its cell and half of it is left by the mask.
    case = roi_cases.random_case(
        0,
        rois=1,
        dtype="float32",
        stored=[np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)],
        strides=[8.0],
        boxes=np.array([[0, 0, 16, 16]], np.float32),
        batch_indices=np.zeros(1, np.int32),
        levels=np.zeros(1, np.int32),
        masks=np.full((1, 3, 5), 0.5, np.float32),
        size=2,
        sampling_ratio=1,
        aligned=True,
    )
    expected = [[[[0.0], [0.5]], [[1.0], [1.5]]]]
    np.testing.assert_allclose(launchers.pool(case), expected)
    np.testing.assert_allclose(roi_reference.pool(case), expected)
    ones = np.ones((1, 2, 2, 1), np.float32)
    (grad_features,), grad_masks = launchers.gradients(case, ones)
    np.testing.assert_allclose(grad_features, np.full((1, 2, 2, 1), 0.5))
    # The samples' gradients 0 + 1 + 2 + 3, wherever the mask is read.
    np.testing.assert_allclose(grad_masks.sum(), 6.0)


def test_reference_gradients_equal_finite_differences():
    case = roi_cases.random_case(
        3, rois=4, channels=2, dtype="float64", sampling_ratio=2
    )
    case.masks = np.random.default_rng(0).uniform(size=(4, 5, 3))
    grad_out = np.random.default_rng(1).normal(size=roi_reference.pool(case).shape)
    grad_features, grad_masks = roi_reference.gradients(case, grad_out)
    variables = [*zip(case.stored, grad_features), (case.masks, grad_masks)]
    for values, grad in variables:
        direction = np.random.default_rng(2).normal(size=values.shape)
        # The result is linear in each of them: a large step is exact.
        before = (roi_reference.pool(case) * grad_out).sum()
        values += direction
        after = (roi_reference.pool(case) * grad_out).sum()
        values -= direction
        np.testing.assert_allclose(after - before, (grad * direction).sum(), rtol=1e-9)


@pytest.mark.parametrize(
    "field, value", [("size", 0), ("size", 40000), ("sampling_ratio", -1)]
)
def test_sizes_that_do_not_fit_are_refused(launchers, field, value):
    case = roi_cases.random_case(0, rois=0)
    setattr(case, field, value)
    if field == "size":
        case.masks = None
    with pytest.raises(cuda_library.HarnessError, match="CUDA error 1$"):
        launchers.pool(case)


def test_masks_get_no_gradient_where_none_is_asked_for(launchers):
    case = roi_cases.random_case(5, rois=3, channels=4, dtype="float32")
    case.masks = np.ones((3, 4, 4), np.float32)
    grad_out = np.ones((3, case.size, case.size, 4), np.float32)
    _, backward, pointers = launchers.upload(case, grad_out)
    backward(to_masks=False)
    assert np.isnan(launchers.memory.download(pointers["grad_masks"])).all()
    launchers.memory.release()
