"""What the tests of the compiled ops share."""

import pytest

from tfmask.ops import _library

BUILT = all(_library.path(name).exists() for name in _library.NAMES)
COMPILED = pytest.param(
    "compiled",
    marks=pytest.mark.skipif(not BUILT, reason="the compiled ops are not built"),
)
IMPLEMENTATIONS = ["stock", COMPILED]
