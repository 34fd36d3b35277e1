"""The candidates for the gradient of the features, in the emulation."""

import os
import shutil

import candidates
import cuda_library
import pytest

pytestmark = [
    pytest.mark.skipif(
        shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler"
    ),
]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    built = tmp_path_factory.mktemp("candidates") / "emulation.so"
    cuda_library.build_emulation(built, candidates.FLAG)
    return candidates.Candidates(cuda_library.emulated(built))


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("index", range(10))
def test_every_candidate_equals_numpy(emulated, index, dtype, with_masks):
    assert len(emulated.names) == 10
    for seed in range(4):
        checked = emulated.check(index, candidates.case(seed, dtype, with_masks))
        assert checked or (index == 0 and dtype == "bfloat16")
