"""Fixtures of the evaluation tests."""

import pytest
from coco_sets import SETS, make_set


@pytest.fixture(params=sorted(SETS), scope="session")
def synthetic_set(request):
    return make_set(**SETS[request.param])
