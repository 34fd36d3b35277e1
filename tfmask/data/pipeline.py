"""Batches for training and evaluation, through `tf.data`.

A batch of B images with at most G instances each is a dict of

    images          [B, H, W, C] uint8, zero-padded at the bottom and the right; RGB,
                    or what `data.channels` says
    image_sizes     [B, 2] int32, (height, width) before padding
    scales          [B, 2] float32, resized / original, (y, x) of what is seen
    original_sizes  [B, 2] int32
    image_index     [B] int64, into dataset.images
    stream_index    [B] int64, position in the training stream
    boxes, labels, masks, crowd, valid    as in `structures.Targets`

with H and W multiples of `data.pad_multiple`, in training as `data.padding` says, and G
at least 1.
"""

import atexit
import functools
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from tfmask.config import DataConfig
from tfmask.data.canvas import canvases
from tfmask.data.dataset import Dataset
from tfmask.data.loader import ExampleLoader, Plan, factors_of, positions
from tfmask.data.reaper import reaped
from tfmask.errors import DataError

_PLANNED = 64  # examples that are planned together
# name -> dtype, shape of one example
_ENTRIES = {
    "images": (tf.uint8, (None, None, 3)),  # or data.channels
    "image_sizes": (tf.int32, (2,)),
    "scales": (tf.float32, (2,)),
    "original_sizes": (tf.int32, (2,)),
    "image_index": (tf.int64, ()),
    "stream_index": (tf.int64, ()),
    "boxes": (tf.float32, (None, 4)),
    "labels": (tf.int32, (None,)),
    "masks": (tf.uint8, (None, None, None)),
    "crowd": (tf.bool, (None,)),
    "valid": (tf.bool, (None,)),
}


def training_dataset(
    dataset: Dataset,
    data_config: DataConfig,
    batch_size: int,
    seed: int,
    start_index: int = 0,
    *,
    shard: tuple[int, int] = (0, 1),
    log=print,
) -> tf.data.Dataset:
    """The endless training stream in batches.

    Args:
      dataset: the images.
      data_config: sizes, augmentation, strictness, parallel loads.
      batch_size: images per step over all replicas and workers.
      seed: of order and augmentation.
      start_index: position in the stream of the first example, a multiple of
        `batch_size`: step * batch_size to go on after that many steps.
      shard: (w, n): the part of every batch that belongs to worker w of n. The batches
        then hold batch_size / n images.
      log: called with a line for each image that cannot be read.

    Returns:
      A dataset of batches whose first dimension is static. An error of the data comes
      out of the iteration as a `tf.errors.OpError`; `data_error` gets it back.
    """
    worker, workers = shard
    if batch_size % workers:
        raise DataError(
            f"train.batch_size={batch_size}: expected a multiple of {workers}, the "
            "number of workers"
        )
    loader = ExampleLoader(
        dataset,
        data_config,
        True,
        seed,
        batch_size=batch_size,
        canvases=canvases(data_config, padding_of(data_config)),
        log=log,
    )
    local = batch_size // workers
    first = start_index + worker * local

    # Planning several batches at once takes less of Python's time for each.
    block = max(_PLANNED // local, 1)
    lock = threading.Lock()

    @functools.lru_cache(maxsize=4)
    def plan(number: int) -> list[list[Plan]]:
        starts = [first + batch_size * (number * block + k) for k in range(block)]
        return [[loader.plan(i + k) for k in range(local)] for i in starts]

    def load(step: int) -> dict[str, np.ndarray]:
        number, k = divmod(int(step), block)
        with lock:
            plans = plan(number)[k]
        return loader.batch(plans, _threads(data_config).map)

    steps = tf.data.Dataset.range((np.iinfo(np.int64).max - first) // batch_size)
    return reaped(_map_batches(steps, load, data_config, local))


def padding_of(data_config: DataConfig) -> str:
    """`data.padding` as it is on this machine: never `auto`."""
    if data_config.padding != "auto":
        return data_config.padding
    return "buckets" if tf.config.list_physical_devices("GPU") else "tight"


def epoch_size(dataset: Dataset, data_config: DataConfig) -> int:
    """Positions of the training stream in one epoch: the images, those repeated so."""
    return positions(dataset, factors_of(dataset, data_config))


def evaluation_dataset(
    dataset: Dataset, data_config: DataConfig, batch_size: int, *, log=print
) -> tf.data.Dataset:
    """Every image once, not augmented, in the batches of `evaluation_batches`.

    An image that cannot be read is left out of its batch and logged, up to
    `data.max_bad_fraction` of them; with `data.strict` it is an error.
    """
    loader = ExampleLoader(dataset, data_config, False, 0, log=log)
    groups = _groups(loader, batch_size)
    table = np.full((len(groups), batch_size), -1, np.int64)
    for row, group in zip(table, groups):
        row[: len(group)] = group

    def load(indices: np.ndarray) -> dict[str, np.ndarray]:
        return loader.batch(
            [loader.plan(i) for i in indices[indices >= 0].tolist()],
            _threads(data_config).map,
            skip_unreadable=not data_config.strict,
        )

    groups = tf.data.Dataset.from_tensor_slices(table)
    stream = _map_batches(groups, load, data_config, batch_size, static=False)
    return reaped(stream.filter(lambda batch: tf.shape(batch["image_index"])[0] > 0))


def evaluation_batches(
    dataset: Dataset, data_config: DataConfig, batch_size: int
) -> list[list[int]]:
    """Indices of the images of each evaluation batch.

    A batch holds images of one padded shape, so that nothing is computed on padding
    that would not be there if each image came alone.
    """
    return _groups(ExampleLoader(dataset, data_config, False, 0), batch_size)


def _groups(loader: ExampleLoader, batch_size: int) -> list[list[int]]:
    groups: dict[tuple, list[int]] = {}
    for index in range(len(loader.dataset)):
        groups.setdefault(loader.padded_shape(index), []).append(index)
    return [
        group[start : start + batch_size]
        for _, group in sorted(groups.items())
        for start in range(0, len(group), batch_size)
    ]


def data_error(error: BaseException) -> DataError | None:
    """The `DataError` behind an error that `tf.data` raised, or None if it is another.

    TensorFlow passes on the text of an exception only, with a traceback and the names
    of its operations; the first line is what the user needs.
    """
    pattern = r"(?:DataError|ImageError): (.*?)(?:\n\s*Traceback|\n\n|\Z)"
    found = re.search(pattern, str(error), re.DOTALL)
    return DataError(found.group(1).strip()) if found else None


def _map_batches(stream, load, data_config, batch_size, static=True) -> tf.data.Dataset:
    """Batches by a numpy function of the stream's elements, in their order.

    The function fills the rows of its batch in threads that all batches share. As many
    calls run side by side as keep these threads busy while a batch waits for its last
    rows; so many batches, and those that the consumer has not taken, are in memory.
    """
    names = list(_ENTRIES)
    side = data_config.mask_resolution
    entries = {
        **_ENTRIES,
        "images": (tf.uint8, (None, None, data_config.channels)),
        "masks": (tf.uint8, (None, side, side)),
    }

    @tf.autograph.experimental.do_not_convert
    def flat(element):
        with _calls:
            batch = load(element)
        return [batch[name] for name in names]

    def call(element):
        types = [entries[name][0] for name in names]
        tensors = tf.numpy_function(flat, [element], types)
        for name, tensor in zip(names, tensors):
            tensor.set_shape((batch_size if static else None, *entries[name][1]))
        return dict(zip(names, tensors))

    calls = -(-_num_threads(data_config) // batch_size) + 1
    # A call waits for the threads that fill its rows: not in a thread of TensorFlow's
    # that a model needs.
    options = tf.data.Options()
    options.threading.private_threadpool_size = calls + 1
    return stream.map(call, calls, deterministic=True).prefetch(2).with_options(options)


class _Calls:
    """Counts the Python calls of `tf.data`, to let them end before Python does.

    An iterator that is still alive when the interpreter shuts down (a traceback holds
    one, for instance) waits for its calls, and these wait for the interpreter: the
    process would hang. So at exit no call does any work, and the shutdown waits until
    the iterators' buffers are full and no call has come for a moment: a fifth of a
    second in which threads that are ready do run.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._started = self._ended = 0
        self._closing = False
        atexit.register(self._settle)

    def __enter__(self):
        with self._lock:
            self._started += 1
        if self._closing:
            self.__exit__()
            raise DataError("the process is ending")

    def __exit__(self, *_):
        with self._lock:
            self._ended += 1

    def _settle(self, polls: int = 20, limit: float = 30.0) -> None:
        self._closing = True
        quiet, last, end = 0, -1, time.monotonic() + limit
        while self._started and quiet < polls and time.monotonic() < end:
            before = time.monotonic()
            time.sleep(0.01)
            # Where this thread is kept waiting, so is one that is about to call.
            late = time.monotonic() - before > 0.05
            busy = self._started != last or self._ended < self._started
            quiet = 0 if late or busy else quiet + 1
            last = self._started


_calls = _Calls()


def _num_threads(data_config: DataConfig) -> int:
    if data_config.workers:
        return data_config.workers
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(data_config: DataConfig) -> ThreadPoolExecutor:
    return _pool(_num_threads(data_config))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "tfmask-data")


__all__ = [
    "ExampleLoader",
    "data_error",
    "epoch_size",
    "evaluation_batches",
    "evaluation_dataset",
    "training_dataset",
]
