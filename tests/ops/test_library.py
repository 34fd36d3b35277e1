"""The three modes of the loader, each in a process of its own."""

import os
import shutil
import subprocess
import sys

import pytest
from compiled_ops import BUILT

from tfmask.ops import _library

needs_library = pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")
POOL = """
import tensorflow as tf
from tfmask.ops import _library
from tfmask.ops.roi_align import roi_align
def pool(implementation="auto"):
    boxes, images = tf.constant([[0.0, 0, 9, 9]]), tf.constant([0])
    roi_align(tf.ones([1, 4, 4, 1]), boxes, images, 2, 4.0, 2, True, implementation)
def ops(implementation="auto"):
    traced = tf.function(lambda: pool(implementation)).get_concrete_function()
    kinds = {op.type for op in traced.graph.get_operations()}
    print("compiled" if "Tfmask>ShapeAwareRoiAlign" in kinds else "stock")
"""


def run(code, **environment):
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    environment = {k: str(v) for k, v in {**os.environ, **environment}.items()}
    return subprocess.run(
        [sys.executable, "-c", POOL + code],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_it_is_built_where_there_is_a_compiler():
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    assert BUILT or compiler is None, _library.HOW_TO_BUILD


@needs_library
def test_auto_takes_the_compiled_op_unless_told_otherwise():
    done = run(
        "ops(); ops('compiled'); ops('stock')\nwith _library.stock_ops(): ops()\nops()"
    )
    assert done.returncode == 0, done.stderr
    compiled = ["compiled"] * 2 + ["stock"] * 2 + ["compiled"]
    assert done.stdout.split() == compiled
    assert "slower" not in done.stderr


def test_auto_without_a_library_warns_once_and_computes(tmp_path):
    done = run("pool(); pool(); ops()", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["stock"]
    assert done.stderr.count("is not built") == 1
    assert "custom_ops/build.py" in done.stderr


def test_a_library_that_does_not_load_is_a_warning(tmp_path):
    (tmp_path / _library.path(_library.ROI_ALIGN).name).write_bytes(b"not a library")
    done = run("ops()", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["stock"]
    assert done.stderr.count("does not load") == 1


def test_off_is_silent_and_stock():
    done = run(
        "ops(); print(_library.available(_library.ROI_ALIGN))", TFMASK_CUSTOM_OPS="off"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["stock", "False"]
    assert "slower" not in done.stderr


def test_require_without_a_library_is_an_error(tmp_path):
    done = run("pool()", TFMASK_CUSTOM_OPS="require", TFMASK_CUSTOM_OPS_FOLDER=tmp_path)
    assert done.returncode != 0
    assert "TFMASK_CUSTOM_OPS=require" in done.stderr
    assert "custom_ops/build.py" in done.stderr


GPU_IN_SIGHT = """
import tensorflow as tf
from tfmask.ops import _library
tf.config.get_visible_devices = lambda kind=None: ["a GPU"]
for name in (*_library.NAMES, *_library.NAMES):
    print(_library.use_compiled(name, "auto"))
"""


@needs_library
def test_a_gpu_that_a_library_has_no_kernels_for_is_a_warning():
    if any(map(_library.has_gpu_kernels, _library.NAMES)):
        pytest.skip("the compiled ops have GPU kernels")
    done = run(GPU_IN_SIGHT)
    assert done.stdout.split() == ["False"] * 6, done.stderr
    for name, times in (("shape_aware", 1), ("momentum", 1), ("deform", 0)):
        assert done.stderr.count(f"slower than compiled code: {name}") == times
    assert "built without CUDA" in done.stderr
    done = run(GPU_IN_SIGHT, TFMASK_CUSTOM_OPS="require")
    assert done.returncode != 0 and "built without CUDA" in done.stderr


def test_unknown_words_are_errors(monkeypatch):
    with pytest.raises(ValueError, match="'auto', 'stock' or 'compiled'"):
        _library.use_compiled(_library.ROI_ALIGN, "fast")
    monkeypatch.setenv("TFMASK_CUSTOM_OPS", "never")
    with pytest.raises(ValueError, match="TFMASK_CUSTOM_OPS=never"):
        _library.available(_library.ROI_ALIGN)
    monkeypatch.setenv("TFMASK_CUSTOM_OPS", "off")
    with pytest.raises(RuntimeError, match="custom_ops/build.py"):
        _library.use_compiled(_library.ROI_ALIGN, "compiled")


GRADIENT = """
import hashlib, sys
import numpy as np
from tfmask.ops.deform_columns import deform_columns
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align
rng = np.random.default_rng(0)
features = tf.constant(rng.normal(size=(2, 60, 70, 48)), tf.float32)
corners = rng.uniform(0, 240, size=(300, 2, 2))
boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
masks = tf.constant(rng.uniform(size=(300, 28, 28)), tf.float32)
with tf.GradientTape() as tape:
    tape.watch([features, masks])
    pooled = shape_aware_roi_align([features], boxes, np.arange(300) % 2, [0] * 300,
        masks, 7, [4.0], implementation="compiled")
weights = tf.constant(rng.normal(size=pooled.shape), tf.float32)
gradients = tape.gradient(pooled, [features, masks], weights)
offsets = tf.constant(3 * rng.normal(size=(2, 60, 70, 18)), tf.float32)
with tf.GradientTape() as tape:
    tape.watch([features, offsets])
    read = deform_columns(features, offsets, None, 3, 1, "compiled")
weights = tf.constant(rng.normal(size=read.shape), tf.float32)
gradients += tape.gradient(read, [features, offsets], weights)
for gradient in gradients:
    print(hashlib.sha256(gradient.numpy().tobytes()).hexdigest())
"""


@needs_library
def test_the_bits_of_the_gradients_do_not_depend_on_the_number_of_threads():
    done = [run(GRADIENT, TF_NUM_INTRAOP_THREADS=n) for n in (1, 3)]
    assert all(d.returncode == 0 for d in done), done[0].stderr + done[1].stderr
    assert len(done[0].stdout.split()) == 4
    assert done[0].stdout == done[1].stdout
