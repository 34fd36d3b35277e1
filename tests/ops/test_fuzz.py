"""Random calls of the compiled ops."""

import fuzz_deform_columns
import fuzz_momentum_update
import fuzz_shape_aware
import pytest
from compiled_ops import BUILT

pytestmark = pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")


@pytest.mark.parametrize(
    "calls", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize(
    "fuzz",
    [fuzz_deform_columns.fuzz, fuzz_shape_aware.fuzz, fuzz_momentum_update.fuzz],
    ids=["deform", "roi", "momentum"],
)
def test_random_calls_compute_the_equation_or_are_refused(fuzz, calls):
    counts = fuzz(seed=calls, calls=calls)
    assert counts["valid"] > calls / 2 and counts["invalid"] > calls / 10
    assert counts["compared"] > calls / 30
