"""The CUDA kernels of the update, compiled for the CPU, every thread a coroutine."""

import os
import shutil

import cuda_library
import momentum_cases
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler"
)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    built = tmp_path_factory.mktemp("emulation") / "momentum.so"
    cuda_library.build_emulation(built, cuda_library.MOMENTUM_KERNEL)
    return cuda_library.emulated(built)


def check(emulated, case):
    """In ascending order of threads and blocks, and in a shuffled one."""
    emulated.library.tfmask_emulation_order(0)
    momentum_cases.check(
        emulated.library,
        emulated.memory,
        case,
        lambda: emulated.library.tfmask_emulation_order(5),
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_calls_equal_numpy_in_any_order_of_threads(emulated, seed):
    check(emulated, momentum_cases.random_case(seed))


def test_chunks_groups_and_vectors_of_every_length(emulated):
    # Around a chunk of 16384, around a group of 88 weights, tails after vectors of 4.
    sizes = [0, 1, 2, 3, 4, 5, 1023, 1025, 16383, 16384, 16385, 40001] + [7] * 170
    check(emulated, momentum_cases.Case([(n,) for n in sizes], clip_norm=1.0))


def test_arrays_that_begin_between_vectors(emulated):
    case = momentum_cases.Case([(1001,), (16390,)], clip_norm=1.0, nesterov=True)
    memory = Shifted()
    found = momentum_cases.launch(emulated.library, memory, case)
    momentum_cases.compare(found, momentum_cases.update(case))
    assert memory.shifted >= 3


class Shifted(cuda_library.HostMemory):
    """Puts float32 arrays 4 bytes after where vectors may begin."""

    shifted = 0

    def upload(self, array):
        if array.dtype != np.float32 or array.size < 1000:
            return super().upload(array)
        wide = np.zeros(array.size + 16, np.float32)
        start = -(wide.ctypes.data // 4) % 4 + 1
        moved = wide[start : start + array.size]
        moved[:] = array
        self._arrays[moved.ctypes.data] = moved
        self.shifted += 1
        return moved.ctypes.data


def test_what_cannot_be_launched_is_refused(emulated):
    case = momentum_cases.Case([])
    with pytest.raises(cuda_library.HarnessError, match="CUDA error 1$"):
        momentum_cases.launch(emulated.library, emulated.memory, case)
