import pytest
from compiled_ops import BUILT
from fuzz_deform_columns import fuzz

pytestmark = pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")


@pytest.mark.parametrize(
    "calls", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=str
)
def test_random_calls_compute_the_equation_or_are_refused(calls):
    counts = fuzz(seed=calls, calls=calls)
    assert counts["valid"] > calls / 2 and counts["invalid"] > calls / 10
    assert counts["compared"] > calls / 30
