"""A process ends whatever became of its iterators."""

import os
import subprocess
import sys

import pytest

from tfmask.data.synthetic.generate import write_dataset

SCRIPT = """
import builtins, sys, threading
from tfmask.config import DataConfig
from tfmask.data import pipeline
from tfmask.data.readers import load_dataset
dataset = load_dataset(sys.argv[1])
config = DataConfig(short_side=(64,), max_side=96)
batches = iter(pipeline.training_dataset(dataset, config, 2, 0))
next(batches), next(batches)
"""
ENDS = {
    "falls off the end": ("", 0),
    "an error, whose traceback holds the iterator": ("raise SystemError('the end')", 1),
    "held until the interpreter is gone": ("builtins.held = batches", 0),
    "a cycle": ("cycle = [batches]; cycle.append(cycle); del batches", 0),
    "a thread reads on": (
        "threading.Thread(target=lambda: list(batches), daemon=True).start()",
        0,
    ),
    "an evaluation half-way": (
        "other = iter(pipeline.evaluation_dataset(dataset, config, 1)); next(other)",
        0,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_a_process_with_a_living_iterator_ends(tmp_path, end):
    write_dataset(tmp_path, 6, seed=1)
    last, code = ENDS[end]
    for _ in range(int(os.environ.get("TFMASK_EXITS", "2"))):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT + last, tmp_path],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert done.returncode == code, done.stderr


COLLECTED = """
import gc, sys
from tfmask.config import DataConfig
from tfmask.data import pipeline
from tfmask.data.readers import load_dataset
dataset = load_dataset(sys.argv[1])
config = DataConfig(short_side=(64,), max_side=96)
batch = pipeline.ExampleLoader.batch
def collecting(self, *args, **kwargs):
    gc.collect()
    return batch(self, *args, **kwargs)
pipeline.ExampleLoader.batch = collecting
gc.disable()
for _ in range(10):
    stream = pipeline.training_dataset(dataset, config, 2, 0)
    iterator = iter(stream.take(1000) if sys.argv[2] == "derived" else stream)
    next(iterator)
    cycle = [iterator]
    cycle.append(cycle)
    del iterator, cycle
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["own", "derived"])
def test_an_iterator_that_its_own_call_collects_waits_for_nobody(tmp_path, kind):
    write_dataset(tmp_path, 6, seed=1)
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED, tmp_path, kind],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
