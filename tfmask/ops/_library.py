"""Finds and loads the compiled TensorFlow ops, or says why the stock ones are used.

A library is built for one minor version of TensorFlow. What chooses is said in
`ops._compiled`.
"""

import contextlib
import ctypes
import functools
import threading
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfmask.ops import _compiled
from tfmask.ops._compiled import HOW_TO_BUILD, mode

ROI_ALIGN = "shape_aware_roi_align"
DEFORM_COLUMNS = "deform_columns"
MOMENTUM_UPDATE = "momentum_update"
NAMES = (ROI_ALIGN, DEFORM_COLUMNS, MOMENTUM_UPDATE)
_FOR_GPUS = {ROI_ALIGN, MOMENTUM_UPDATE}  # can be built with GPU kernels

_lock = threading.Lock()
_stock_depth = 0
_modules: dict[str, Any] = {}  # None: it does not load
_with_gpu_kernels: set[str] = set()


def path(name: str) -> Path:
    """Where a library for the running TensorFlow belongs; name: one of NAMES."""
    minor = ".".join(tf.__version__.split(".")[:2])
    return _compiled.folder() / f"{name}-tf{minor}.so"


def library(name: str):
    """The module of a library's ops, loaded once; None where there is none.

    Raises:
      RuntimeError: TFMASK_CUSTOM_OPS=require and the library is not there or does not
        load.
    """
    if mode() == "off":
        return None
    with _lock:
        if name not in _modules:
            _modules[name] = _load(name)
    return _modules[name]


def available(name: str) -> bool:
    """Whether a library's ops can be called; see `library`."""
    return library(name) is not None


def has_gpu_kernels(name: str) -> bool:
    """Whether the library in use was built with CUDA."""
    return available(name) and name in _with_gpu_kernels


# Answered while a graph is traced, never in it.
@tf.autograph.experimental.do_not_convert
def use_compiled(name: str, implementation: str) -> bool:
    """Which implementation a call gets.

    Args:
      name: of the library, one of NAMES.
      implementation: "auto": the compiled op where it is built and has a kernel for
        the devices in sight, and not within `stock_ops`; "stock"; "compiled".

    Raises:
      ValueError: another word.
      RuntimeError: "compiled" without a library; TFMASK_CUSTOM_OPS=require and the
        library has no kernels for the GPU in sight.
    """
    if implementation == "stock":
        return False
    if implementation == "compiled":
        if not available(name):
            raise RuntimeError(
                f"the compiled op is asked for and {path(name)} is not in use "
                f"(TFMASK_CUSTOM_OPS={mode()}); {HOW_TO_BUILD}"
            )
        return True
    if implementation != "auto":
        raise ValueError(
            f"implementation={implementation!r}: expected 'auto', 'stock' or 'compiled'"
        )
    if _stock_depth or not available(name):
        return False
    if has_gpu_kernels(name) or not tf.config.get_visible_devices("GPU"):
        return True
    # What lies on the GPU would have to travel to the CPU and back.
    if name in _FOR_GPUS:
        _for_gpus_missing(name)
    return False


@functools.cache
def _for_gpus_missing(name: str) -> None:
    """Warns once; see `_compiled.report_missing`."""
    problem = f"{path(name).name} was built without CUDA and has no GPU kernels"
    _compiled.report_missing(problem, "stock TensorFlow ops")


@contextlib.contextmanager
def stock_ops():
    """Everything called or traced inside, in any thread, uses stock ops.

    An exported model must load where tfmask is not installed: trace it inside.
    """
    global _stock_depth
    with _lock:
        _stock_depth += 1
    try:
        yield
    finally:
        with _lock:
            _stock_depth -= 1


def _load(name: str):
    file = path(name)
    if not file.exists():
        problem = f"{file.name} is not built"
    else:
        try:
            module = tf.load_op_library(str(file))
        except (tf.errors.OpError, OSError) as error:
            problem = f"{file} does not load: {error}"
        else:
            if ctypes.CDLL(str(file)).tfmask_has_gpu_kernels():
                _with_gpu_kernels.add(name)
            return module
    _compiled.report_missing(problem, "stock TensorFlow ops")
    return None
