"""A pickle reader that rebuilds arrays and tensors and can do nothing else.

A pickle is a program: it names any importable object and calls it. Here every name is
looked up in the fixed table of stand_ins.py, whose entries check their arguments; a
name that is not in the table ends the reading before anything is called. Neither
PyTorch nor NumPy's own unpickling hooks take part.
"""

import pickle
import pickletools
import struct

from tfmask.errors import WeightsError
from tfmask.weights.readers.stand_ins import table

# What a damaged stream makes the standard library's unpickler raise.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)
_ALLOWED = table()


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, where, open_storage):
        # Python 2's byte strings become text with one character per byte.
        super().__init__(stream, encoding="latin1")
        self.where = where
        self.open_storage = open_storage

    def find_class(self, module, name):
        if (module, name) not in _ALLOWED:
            raise WeightsError(
                f"{self.where}: the file asks for {module}.{name}, which is neither an "
                "array nor a tensor; it is refused and nothing of it was run. Use a "
                "file that holds weights alone"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, key):
        if self.open_storage is None:
            raise ValueError("a reference to data outside the file")
        return self.open_storage(key)


def load(stream, where: str, open_storage=None):
    """Reads one pickle from a seekable binary stream.

    Args:
      stream: positioned at the pickle; afterwards at its end.
      where: name of the file, for messages.
      open_storage: called with each persistent id, returns a Storage.

    Returns:
      Dicts, lists and numbers, with Tensor and array stand-ins (both have `array()`).

    Raises:
      WeightsError: the pickle names anything but arrays and tensors, or is damaged.
    """
    start = stream.tell()
    try:
        _check_memo(stream)
        stream.seek(start)
        return _Unpickler(stream, where, open_storage).load()
    except WeightsError:
        raise
    except _DAMAGE as error:
        raise WeightsError(
            f"{where}: not a readable weight file, truncated or damaged "
            f"({type(error).__name__}: {str(error)[:120]}); download it again"
        ) from error


def _check_memo(stream) -> None:
    """Refuses memo slots beyond the number of opcodes.

    The standard unpickler allocates its memo up to the largest slot named, so that nine
    bytes could ask for gigabytes.
    """
    largest = count = 0
    for opcode, argument, _ in pickletools.genops(stream):
        count += 1
        puts = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if puts and isinstance(argument, int):
            largest = max(largest, argument)
    if largest > count:
        raise ValueError(f"memo slot {largest} in a stream of {count} operations")
