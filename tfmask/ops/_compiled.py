"""Which compiled libraries are used, and where they lie; without TensorFlow.

The libraries are built by `custom_ops/build.py`. The environment variable
TFMASK_CUSTOM_OPS chooses:

    auto     the compiled ops where they are built, else stock TensorFlow ops or
             NumPy, with one warning for each library
    off      no compiled ops
    require  the compiled ops, or an error

TFMASK_CUSTOM_OPS_FOLDER names another folder to load from, e.g. of a sanitized build.
"""

import os
import warnings
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "_lib"
MODES = ("auto", "off", "require")
HOW_TO_BUILD = (
    "build it with `python custom_ops/build.py` in a checkout of tfmask, by the Python "
    "that has this TensorFlow"
)


def mode() -> str:
    """TFMASK_CUSTOM_OPS; raises ValueError for an unknown value."""
    chosen = os.environ.get("TFMASK_CUSTOM_OPS", "auto")
    if chosen not in MODES:
        raise ValueError(
            f"TFMASK_CUSTOM_OPS={chosen}: expected one of {', '.join(MODES)}"
        )
    return chosen


def folder() -> Path:
    """Where the libraries lie."""
    return Path(os.environ.get("TFMASK_CUSTOM_OPS_FOLDER", FOLDER))


def report_missing(problem: str, substitute: str) -> None:
    """Warns that `substitute` is used, or raises where the library is required.

    Raises:
      RuntimeError: TFMASK_CUSTOM_OPS=require.
    """
    if mode() == "require":
        raise RuntimeError(f"TFMASK_CUSTOM_OPS=require: {problem}; {HOW_TO_BUILD}")
    warnings.warn(
        f"tfmask uses {substitute}, slower than compiled code: {problem}; "
        f"{HOW_TO_BUILD}, or set TFMASK_CUSTOM_OPS=off to silence this",
        stacklevel=3,
    )
