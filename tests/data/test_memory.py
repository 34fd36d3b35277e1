import threading

import numpy as np

from tfmask.data.memory import ALIGNMENT, Memory


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_arrays_are_aligned_and_can_be_written():
    memory = Memory()
    for shape in ((3, 5, 7), (1,), (2, 0, 4)):
        array = memory.empty(shape)
        assert array.shape == shape and array.dtype == np.uint8
        assert array.flags.writeable and array.flags.c_contiguous
        if array.size:
            assert address(array) % ALIGNMENT == 0
        array[:] = 9
        assert array.sum() == 9 * array.size


def test_memory_of_an_array_that_is_gone_serves_the_next():
    memory = Memory()
    first = memory.empty((1000,))
    place = address(first)
    view = first[10:20]
    del first
    other = memory.empty((1000,))  # the view still holds the first
    assert address(other) != place
    view[:] = 1
    other[:] = 2
    assert (view == 1).all()
    del view
    assert address(memory.empty((7, 11))) == place


def test_small_blocks_make_room_for_large_ones_and_few_are_kept():
    memory = Memory(kept=2)
    arrays = [memory.empty((10,)) for _ in range(5)]
    arrays.clear()
    assert len(memory._free) == 2
    large = memory.empty((5000,))
    large[:] = 1
    assert not memory._free  # too small, and gone
    del large
    assert [len(block) >= 5000 for block in memory._free] == [True]
    small = memory.empty((3,))
    assert not memory._free and small.shape == (3,)


def test_threads_never_share_memory():
    memory, wrong = Memory(kept=2), []

    def work(number):
        for size in range(1, 300):
            array = memory.empty((size * 10,))
            array[:] = number
            if not (array == number).all():
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
