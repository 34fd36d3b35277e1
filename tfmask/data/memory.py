"""Memory for the large arrays of batches, used again and again.

The system clears what it hands out, page by page, which takes as long as a tenth of an
example. So the memory of an array that is gone serves the next one.
"""

import numpy as np

ALIGNMENT = 64  # bytes: where a tensor of TensorFlow may begin without a copy


class Memory:
    """Hands out arrays of any values. Thread-safe.

    Args:
      kept: blocks that are kept while no array uses them, each of the size of the
        largest array so far.
    """

    def __init__(self, kept: int = 4):
        self._kept = kept
        self._largest = 0
        # Appending and taking are atomic: a lock could be asked for by the collection
        # of an array in the thread that holds it.
        self._free: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """`[*shape]` uint8, where TensorFlow can take it over as it is."""
        count = int(np.prod(shape))
        self._largest = max(self._largest, count)
        block = None
        while block is None or len(block) < count + ALIGNMENT:
            try:
                block = self._free.pop()
            except IndexError:
                block = np.empty(self._largest + ALIGNMENT, np.uint8)
        return np.asarray(_Lease(self, block, count)).reshape(shape)

    def take_back(self, block: np.ndarray) -> None:
        if len(self._free) < self._kept:
            self._free.append(block)


class _Lease:
    """Owns the memory of an array and gives the block back when the array is gone."""

    def __init__(self, memory: Memory, block: np.ndarray, count: int):
        self._memory, self._block = memory, block
        address = block.__array_interface__["data"][0]
        self.__array_interface__ = {
            "version": 3,
            "shape": (count,),
            "typestr": "|u1",
            "data": (address + -address % ALIGNMENT, False),
        }

    def __del__(self):
        self._memory.take_back(self._block)
