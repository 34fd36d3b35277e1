"""The runs of the ablation tables: several at a time, each a `tfmask train`."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ablation_rows import ROWS, make_config

from tfmask.config import to_dict
from tfmask.files import write_atomically

FIGURES = "figures.json"


class Run(NamedTuple):
    """A row with a seed."""

    row: str
    seed: int

    def __str__(self):
        return f"{self.row}-{self.seed}"

    @property
    def base(self) -> "Run | None":
        """The run whose weights it starts from."""
        base = ROWS[self.row].base
        return Run(base, self.seed) if base else None


def read_figures(output: Path) -> dict[str, dict[str, float]]:
    """Name of each finished run -> its figures."""
    path = output / FIGURES
    return json.loads(path.read_text()) if path.exists() else {}


def evaluation(folder: Path) -> dict[str, float] | None:
    """The figures after the last step of the run in a folder, if it got so far."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return None
    steps = json.loads((folder / "config.json").read_text())["train"]["steps"]
    for line in reversed(path.read_text().splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:  # the process was stopped while it wrote
            continue
        if "evaluation" in entry and entry["step"] == steps:
            return entry["evaluation"]
    return None


class Runs:
    """Trains what is missing, several runs at a time.

    A run that starts from another one's weights waits for that one. The figures of
    each run are added to `figures.json` as soon as it ends: it alone says which runs
    are there, so that tables can be printed, and the rest be trained, elsewhere.

    Args:
      output: folder of all runs, with their data in `data`.
      overrides: `path=value`, of every run.
      workers: runs at a time; they share out the cores.
    """

    def __init__(self, output: Path, overrides: list[str], workers: int):
        self.output = output
        self.overrides = overrides
        self.workers = workers
        self.failed: list[Run] = []
        self._figures = read_figures(output)
        self._waiting: list[Run] = []
        self._running: set[Run] = set()
        self._changed = threading.Condition()

    def train(self, runs: list[Run]) -> None:
        """Trains the runs that have no figures, in this order, bases before all."""
        missing = [run for run in runs if str(run) not in self._figures]
        bases = [run.base for run in missing if run.base and not self._has_base(run)]
        self._waiting = list(dict.fromkeys([*bases, *missing]))
        threads = [
            threading.Thread(target=self._work, args=(self._cores(index),))
            for index in range(self.workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _cores(self, worker: int) -> set[int]:
        cores = sorted(os.sched_getaffinity(0))
        return set(cores[worker :: self.workers] or [cores[worker % len(cores)]])

    def _has_base(self, run: Run) -> bool:
        """Whether the weights are there that it starts from."""
        return not run.base or evaluation(self.output / str(run.base)) is not None

    def _work(self, cores: set[int]) -> None:
        while (run := self._next()) is not None:
            started = time.monotonic()
            try:
                code = self._start(run, cores).wait()
                self._finish(run, code, time.monotonic() - started)
            except Exception as error:
                self._fail(run, str(error))

    def _next(self) -> Run | None:
        """The next run that can start; waits for one; None when there are no more."""
        with self._changed:
            while True:
                for run in self._waiting:
                    if run.base in self._waiting or run.base in self._running:
                        continue
                    self._waiting.remove(run)
                    self._running.add(run)
                    return run
                if not self._waiting:
                    return None
                self._changed.wait()

    def _start(self, run: Run, cores: set[int]) -> subprocess.Popen:
        if not self._has_base(run):
            raise RuntimeError(f"{run.base}, which it starts from, is not there")
        folder = self.output / str(run)
        folder.mkdir(parents=True, exist_ok=True)
        config = make_config(run.row, run.seed, self.overrides)
        config.data.train = str(self.output / "data" / "train")
        config.data.val = str(self.output / "data" / "val")
        config.train.output = str(folder)
        if run.base:
            config.model.weights = str(self.output / str(run.base))
        recipe = self.output / f"{run}.json"
        write_atomically(recipe, json.dumps(to_dict(config), indent=1).encode())
        command = [sys.executable, "-m", "tfmask", "train", str(recipe)]
        if (folder / "checkpoints").exists():
            command.append("--resume")
        with (folder / "log.txt").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        os.sched_setaffinity(process.pid, cores)
        return process

    def _finish(self, run: Run, code: int, seconds: float) -> None:
        folder = self.output / str(run)
        figures = None if code else evaluation(folder)
        if figures is None:
            raise RuntimeError(f"exit code {code}, see {folder}/log.txt")
        with self._changed:
            self._figures[str(run)] = figures
            text = json.dumps(self._figures, indent=1, sort_keys=True)
            write_atomically(self.output / FIGURES, text.encode())
            self._running.remove(run)
            self._changed.notify_all()
        print(f"{run}: mask AP {figures['mask/AP']:.4f}, {seconds:.0f} s", flush=True)

    def _fail(self, run: Run, reason: str) -> None:
        with self._changed:
            self.failed.append(run)
            self._running.discard(run)
            self._changed.notify_all()
        print(f"{run}: failed: {reason}", flush=True)
