"""Iterators of `tf.data` are destroyed in a thread of their own.

Destroying one waits for the Python calls that it has under way. Python's garbage
collector runs in whichever thread allocates, those of such calls included: an iterator
in a cycle of references, as a traceback makes them, would be destroyed inside its own
call and wait for itself. So what an iterator waits with is held here until the iterator
is gone, and then let go of where no call of it runs, and no lock is held that a call
needs. Datasets that are made of such a one (`take`, `map`, `batch`, ...) are such too.
"""

import functools
import inspect
import itertools
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_MARK = "_tfmask_reaped"  # of the classes that are made here
_held: dict[int, object] = {}  # number of a living iterator -> its resource
_numbers = itertools.count()
_gone: queue.SimpleQueue = queue.SimpleQueue()
_lock = threading.Lock()
_threads: list[threading.Thread] = []


def reaped(dataset):
    """The same `tf.data.Dataset`, whose iterators in Python end as said above."""
    kind: Any = type(dataset)
    if not hasattr(kind, _MARK):
        dataset.__class__ = _class_of(kind)
    return dataset


@functools.cache
def _class_of(kind: Any) -> Any:
    def iterate(self):
        iterator = kind.__iter__(self)
        _hold(iterator)
        return iterator

    own = {"__iter__": iterate, _MARK: True} | _derivations(kind)
    return type(kind.__name__, (kind,), own)


def _derivations(kind: Any) -> dict[str, Callable]:
    """The public methods, so that a dataset that they return is reaped as well."""

    def derive(name):
        method = getattr(kind, name)

        @functools.wraps(method)
        def call(self, *args, **kwargs):
            value = method(self, *args, **kwargs)
            return reaped(value) if isinstance(value, tf.data.Dataset) else value

        return call

    # Static methods and properties belong to no dataset.
    attributes = {name: inspect.getattr_static(kind, name) for name in dir(kind)}
    return {
        name: derive(name)
        for name, value in attributes.items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


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
