"""Iterators of `tf.data` are destroyed in a thread of their own.

Destroying one waits for the Python calls that it has under way. Python's garbage
collector runs in whichever thread allocates, those of such calls included: an iterator
in a cycle of references, as a traceback makes them, would be destroyed inside its own
call and wait for itself. So what an iterator waits with is held here until the iterator
is gone, and then let go of where no call of it runs.
"""

import functools
import itertools
import queue
import threading
import weakref
from typing import Any

_held: dict[int, object] = {}  # number of a living iterator -> its resource
_numbers = itertools.count()
_gone: queue.SimpleQueue = queue.SimpleQueue()
_lock = threading.Lock()
_threads: list[threading.Thread] = []


def reaped(dataset):
    """The same `tf.data.Dataset`, whose iterators in Python end as said above."""
    kind: Any = type(dataset)
    dataset.__class__ = _class_of(kind)
    return dataset


@functools.cache
def _class_of(kind: Any) -> Any:
    def iterate(self):
        iterator = kind.__iter__(self)
        _hold(iterator)
        return iterator

    return type(kind.__name__, (kind,), {"__iter__": iterate})


def _hold(iterator) -> None:
    with _lock:
        if not _threads:
            _threads.append(threading.Thread(target=_reap, daemon=True, name="reaper"))
            _threads[0].start()
    number = next(_numbers)
    _held[number] = iterator._iterator_resource
    # SimpleQueue.put may be called while the collector runs, also within itself.
    weakref.finalize(iterator, _gone.put, number).atexit = False


def _reap() -> None:
    while True:
        _held.pop(_gone.get(), None)
