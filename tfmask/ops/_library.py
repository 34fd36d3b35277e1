"""Finds and loads the compiled TensorFlow ops, or says why the stock ones are used.

The library is built for one minor version of TensorFlow. What chooses is said in
`ops._compiled`.
"""

import contextlib
import ctypes
import threading
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfmask.ops import _compiled
from tfmask.ops._compiled import HOW_TO_BUILD, mode

_lock = threading.Lock()
_state: dict[str, Any] = {
    "loaded": False,
    "module": None,
    "has_gpu_kernels": False,
    "stock_depth": 0,
}


def path() -> Path:
    """Where the library for the running TensorFlow belongs."""
    minor = ".".join(tf.__version__.split(".")[:2])
    return _compiled.folder() / f"shape_aware_roi_align-tf{minor}.so"


def library():
    """The module of the compiled ops, loaded once; None where there is none.

    Raises:
      RuntimeError: TFMASK_CUSTOM_OPS=require and the library is not there or does not
        load.
    """
    if mode() == "off":
        return None
    with _lock:
        if not _state["loaded"]:
            _load()
            _state["loaded"] = True
    return _state["module"]


def available() -> bool:
    """Whether the compiled ops can be called; see `library`."""
    return library() is not None


def has_gpu_kernels() -> bool:
    """Whether the library in use was built with CUDA."""
    return available() and _state["has_gpu_kernels"]


# Answered while a graph is traced, never in it.
@tf.autograph.experimental.do_not_convert
def use_compiled(implementation: str) -> bool:
    """Which implementation a call gets.

    Args:
      implementation: "auto": the compiled op where it is built and has a kernel for
        the devices in sight, and not within `stock_ops`; "stock"; "compiled".

    Raises:
      ValueError: another word.
      RuntimeError: "compiled" without a library.
    """
    if implementation == "stock":
        return False
    if implementation == "compiled":
        if not available():
            raise RuntimeError(
                f"the compiled op is asked for and {path()} is not in use "
                f"(TFMASK_CUSTOM_OPS={mode()}); {HOW_TO_BUILD}"
            )
        return True
    if implementation != "auto":
        raise ValueError(
            f"implementation={implementation!r}: expected 'auto', 'stock' or 'compiled'"
        )
    if _state["stock_depth"] or not available():
        return False
    # Features on a GPU would have to travel to the CPU and back.
    return has_gpu_kernels() or not tf.config.get_visible_devices("GPU")


@contextlib.contextmanager
def stock_ops():
    """Everything called or traced inside, in any thread, uses stock ops.

    An exported model must load where tfmask is not installed: trace it inside.
    """
    with _lock:
        _state["stock_depth"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["stock_depth"] -= 1


def _load() -> None:
    file = path()
    if not file.exists():
        problem = f"{file.name} is not built"
    else:
        try:
            _state["module"] = tf.load_op_library(str(file))
        except (tf.errors.OpError, OSError) as error:
            problem = f"{file} does not load: {error}"
        else:
            handle = ctypes.CDLL(str(file))
            _state["has_gpu_kernels"] = bool(handle.tfmask_has_gpu_kernels())
            return
    _compiled.report_missing(problem, "stock TensorFlow ops")
