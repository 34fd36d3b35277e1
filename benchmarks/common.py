"""What the benchmarks share: inputs, timing, memory, output. Imports no framework.

Model Garden's script runs in an environment of its own and uses this file too, so that
both sides get the same pixels, boxes and masks.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES = ("800x1333", "512x512")
NUM_INSTANCES = 10
MASK_SIDE = 112
PAD_MULTIPLE = 32


def quiet() -> None:
    """Call before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parser(description: str, repeats: int) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--size", help="HEIGHTxWIDTH; default: both sizes of the table")
    result.add_argument("--repeats", type=int, default=repeats)
    result.add_argument("--warmup", type=int, default=2)
    result.add_argument("--json", action="store_true", help="print one JSON line only")
    result.add_argument(
        "--serve", action="store_true", help="time a call for each line of the input"
    )
    return result


def height_width(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def image_batch(text: str, batch: int) -> np.ndarray:
    """`[B, H, W, 3]` uint8, zero-padded to a multiple of 32; smooth noise, seeded."""
    height, width = height_width(text)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (batch, height // 16 + 1, width // 16 + 1, 3))
    fine = coarse.repeat(16, 1).repeat(16, 2)[:, :height, :width]
    fine = np.clip(fine + rng.normal(0, 20, fine.shape), 0, 255)
    padded = np.zeros(
        (
            batch,
            *(math.ceil(s / PAD_MULTIPLE) * PAD_MULTIPLE for s in (height, width)),
            3,
        ),
        np.uint8,
    )
    padded[:, :height, :width] = fine.astype(np.uint8)
    return padded


def instances(text: str, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes `[B, G, 4]` float32 x1 y1 x2 y2, labels `[B, G]`, masks `[B, G, R, R]`.

    Objects of all sizes; the mask of each is the ellipse in its box.
    """
    height, width = height_width(text)
    rng = np.random.default_rng(1)
    side = np.exp(
        rng.uniform(np.log(24), np.log(height * 0.6), (batch, NUM_INSTANCES, 2))
    )
    corner = rng.uniform(0, 1, side.shape) * ([width, height] - side)
    boxes = np.concatenate([corner, corner + side], axis=-1).astype(np.float32)
    labels = rng.integers(1, 81, (batch, NUM_INSTANCES)).astype(np.int32)
    middle = (np.arange(MASK_SIDE) + 0.5) / MASK_SIDE * 2 - 1
    disk = (middle[:, None] ** 2 + middle[None] ** 2 <= 1).astype(np.float32)
    return boxes, labels, np.tile(disk, (batch, NUM_INSTANCES, 1, 1))


def calm(model) -> None:
    """Keeps the activations of a random tfmask model in the range of a trained one.

    Without statistics the residual sums double from block to block, the softmax ends at
    exactly 0 and 1, and nothing is left to detect.
    """
    from tfmask.layers.naming import named_weights

    for path, variable in named_weights(model).items():
        if path.startswith("backbone/") and path.endswith("conv3/norm/gamma"):
            variable.assign(0.2 * np.ones(variable.shape, np.float32))


def median_seconds(call, repeats: int, warmup: int) -> tuple[float, list[float]]:
    """Median and all times of a call, after some that do not count."""
    for _ in range(warmup):
        call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times), times


def time_calls(call, options, **facts) -> tuple[float, list[float]]:
    """Median and all times of a call: `options.repeats` times, or when told to.

    With `--serve` the process says by a line of JSON, `facts`, that it is ready, and
    runs the call once for each line that it reads: several programs can take turns,
    call by call (compare.py).
    """
    if not options.serve:
        return median_seconds(call, options.repeats, options.warmup)
    for _ in range(options.warmup):
        call()
    print(json.dumps(facts), flush=True)
    times = []
    for _ in sys.stdin:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
        print(times[-1], flush=True)
    return statistics.median(times), times


class Worker:
    """A script of this folder that waits for its turn, see `time_calls`."""

    def __init__(self, command: list[str]):
        self.command = command
        self._process = subprocess.Popen(
            [*command, "--serve", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = json.loads(self._line())

    def call(self) -> float:
        """Seconds of one call."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def finish(self) -> dict:
        """Ends the process; returns the row that it prints."""
        self._process.stdin.close()
        row = json.loads(self._line())
        self._process.wait()
        return row

    def _line(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.command)}: ended early")
        return line


def peak_gib() -> float:
    """The most memory that this process has held, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def bfloat16_instructions() -> str:
    """What this CPU has for products in bfloat16: decides whether they are fast."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    known = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    return ", ".join(known) or "none"


def run_json(command: list[str]) -> dict:
    """Runs a script that prints a JSON line last; its own errors go to the screen."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure_each(script: str, arguments: list[list[str]]) -> list[dict]:
    """Each measurement in a process of its own: peak memory is the process's."""
    return [
        run_json([sys.executable, script, *argument, "--json"])
        for argument in arguments
    ]


def print_table(rows: list[dict], columns: list[str]) -> None:
    """Rows as a Markdown table."""
    cells = [columns] + [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def _cell(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
