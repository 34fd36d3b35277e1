import ctypes
import os
import subprocess
import sys
import threading

import fuzz_box_frames
import numpy as np
import pytest

from tfmask.data import box_frames, transforms
from tfmask.data.box_frames import InstanceMasks
from tfmask.data.coco.segmentation import RLE, Polygons
from tfmask.ops import _compiled

BUILT = (_compiled.folder() / "box_frame_masks.so").exists()
needs_library = pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")
# A square of 4x4 pixels, and the left half of an image of 6 rows and 8 columns.
SQUARE = Polygons((np.array([[2.0, 1], [6, 1], [6, 5], [2, 5]]),))
HALF = RLE(np.array([0, 24, 24], np.int32), 6, 8)


@pytest.fixture(params=["off", pytest.param("auto", marks=needs_library)])
def mode(request, monkeypatch):
    monkeypatch.setenv("TFMASK_CUSTOM_OPS", request.param)
    return request.param


def test_masks_by_hand(mode):
    boxes = np.array([[2, 1, 6, 5], [1, 0, 7, 6], [0, 0, 8, 6]], np.float32)
    kept = np.array([True, True, False])
    masks = InstanceMasks((SQUARE, HALF, SQUARE), boxes, kept, 6, 8)
    got = masks.compute(4)
    # The square fills its box. Two samples per cell of the half are 3/4 pixel apart, at
    # 0.875, 1.625, ... of the columns' middles; the mask ends between those of 3 and 4,
    # which 3.125 and 3.875 read as 7/8 and 1/8: (1 + 7/8) / 2 * 255 = 239.06.
    rows = [255, 239, 16, 0]
    np.testing.assert_array_equal(got[0], np.full((4, 4), 255))
    np.testing.assert_array_equal(got[1], [rows] * 4)
    np.testing.assert_array_equal(got[2], np.zeros((4, 4)))
    out = np.full((3, 4, 4), 7, np.uint8)
    assert masks.compute(4, mirrored=True, out=out) is out
    np.testing.assert_array_equal(out, got[:, :, ::-1])


def test_no_instances(mode):
    masks = InstanceMasks((), np.zeros((0, 4), np.float32), np.zeros(0, bool), 6, 8)
    assert masks.compute(28).shape == (0, 28, 28)


@pytest.mark.parametrize("seed", range(30))
def test_an_image_equals_the_masks_of_its_instances(mode, seed):
    rng = np.random.default_rng(seed)
    image = fuzz_box_frames.random_image(rng)
    resolution, mirrored = int(rng.choice([2, 28, 112])), bool(seed % 2)
    got = InstanceMasks(*image).compute(resolution, mirrored)
    expected = fuzz_box_frames.expected_masks(image, resolution, mirrored)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("height, width, resolution", [(9, 1, 7), (1, 9, 7), (9, 9, 1)])
def test_lines_of_pixels_and_single_cells_are_left_to_numpy(
    mode, height, width, resolution
):
    code = RLE(np.array([1, 5, height * width - 6], np.int32), height, width)
    boxes = np.array([[0, 0, width, height]], np.float32)
    masks = InstanceMasks((code,), boxes, np.ones(1, bool), height, width)
    expected = transforms.box_frame_mask(code, height, width, boxes[0], resolution)
    np.testing.assert_array_equal(masks.compute(resolution), [expected])


def test_arrays_of_another_layout_are_read_right(mode):
    points = np.asfortranarray(SQUARE.parts[0].astype(np.float32))
    boxes = np.array([[0, 2, 9, 1, 9, 6, 9, 5]], np.float64)[:, 1::2]
    masks = InstanceMasks((Polygons((points,)),), boxes, np.ones(1, bool), 6, 8)
    np.testing.assert_array_equal(masks.compute(4), np.full((1, 4, 4), 255))


@needs_library
def test_several_threads_compute_side_by_side():
    images = [fuzz_box_frames.random_image(np.random.default_rng(s)) for s in range(12)]
    expected = [InstanceMasks(*image).compute(28) for image in images]
    wrong = []

    def work():
        for image, masks in zip(images * 4, expected * 4):
            if not np.array_equal(InstanceMasks(*image).compute(28), masks):
                wrong.append(image)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@needs_library
def test_the_call_holds_no_lock_of_python():
    function = box_frames._function()
    # Functions of a PyDLL would keep the lock; those of a CDLL let go of it.
    assert ctypes.CDLL._func_flags_ != ctypes.PyDLL._func_flags_
    assert function._flags_ == ctypes.CDLL._func_flags_


@needs_library
@pytest.mark.parametrize(
    "calls", [150, pytest.param(5000, marks=pytest.mark.slow)], ids=str
)
def test_random_calls_equal_numpy_or_are_refused(calls):
    counts = fuzz_box_frames.fuzz(seed=calls, calls=calls)
    assert counts["valid"] > calls / 2 and counts["invalid"] > calls / 10


def run(**environment):
    code = """
import numpy as np
from tfmask.data.box_frames import InstanceMasks, Polygons
square = Polygons((np.array([[2.0, 1], [6, 1], [6, 5], [2, 5]]),))
for _ in range(2):
    masks = InstanceMasks((square,), np.float32([[2, 1, 6, 5]]), np.ones(1, bool), 6, 8)
    print(masks.compute(4).min())
"""
    environment = {**os.environ, **{k: str(v) for k, v in environment.items()}}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("content", [None, b"not a library"])
def test_without_a_library_numpy_computes_and_one_warning_says_so(tmp_path, content):
    if content:
        (tmp_path / "box_frame_masks.so").write_bytes(content)
    done = run(TFMASK_CUSTOM_OPS="auto", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.stdout.split() == ["255", "255"], done.stderr
    problem = "does not load" if content else "is not built"
    assert done.stderr.count(problem) == 1 and "custom_ops/build.py" in done.stderr


def test_off_is_silent(tmp_path):
    done = run(TFMASK_CUSTOM_OPS="off", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.stdout.split() == ["255", "255"] and not done.stderr


def test_require_without_a_library_is_an_error(tmp_path):
    done = run(TFMASK_CUSTOM_OPS="require", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.returncode and "is not built" in done.stderr.splitlines()[-1]
