"""Trains and evaluates every row of the ablation tables on generated, huddled shapes.

    python benchmarks/ablation.py                       both tables: all of it
    python benchmarks/ablation.py --table refinement    one table
    python benchmarks/ablation.py --time                the time ratios alone, anew
    python benchmarks/ablation.py --print               what there is so far

Every run is a `tfmask train` of its own in `--output/ROW-SEED`. A run that is there is
not repeated, and one that was stopped goes on where it stopped. Runs that share a
machine take one core each (`--workers`). When all are there, step and inference times
are measured, all rows in turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, SimpleQueue

from ablation_rows import TABLES, make_config
from ablation_timing import time_rows

from tfmask.config import to_dict
from tfmask.data.synthetic.generate import write_dataset
from tfmask.files import write_atomically

TRAIN_IMAGES, VAL_IMAGES = 1200, 200
TIMING = "timing.json"
METRICS = {
    "mask_branch": ("mask/AP", "mask/AP75", "boundary/AP", "mask/AP_crowded"),
    "refinement": ("box/AP", "mask/AP", "mask/AP75", "mask/AP_crowded"),
}


def figures(run: Path) -> dict[str, float] | None:
    """The figures of a finished run, else None."""
    path = run / "metrics.jsonl"
    if not path.exists():
        return None
    steps = json.loads((run / "config.json").read_text())["train"]["steps"]
    for line in reversed(path.read_text().splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:  # the process was stopped while it wrote
            continue
        if "evaluation" in entry and entry["step"] == steps:
            return entry["evaluation"]
    return None


def write_data(folder: Path) -> None:
    for name, count, seed in (("train", TRAIN_IMAGES, 1), ("val", VAL_IMAGES, 2)):
        if not (folder / name / "annotations.json").exists():
            write_dataset(folder / name, count, seed=seed)


def start(row: str, seed: int, output: Path, steps: int, core: int):
    """Starts the training of one run, on one core."""
    run = output / f"{row}-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    config = make_config(row, seed)
    config.data.train = str(output / "data" / "train")
    config.data.val = str(output / "data" / "val")
    config.train.output = str(run)
    if steps:
        config.train.steps = steps
    recipe = output / f"{row}-{seed}.json"
    write_atomically(recipe, json.dumps(to_dict(config), indent=1).encode())
    command = [sys.executable, "-m", "tfmask", "train", str(recipe)]
    if (run / "checkpoints").exists():
        command.append("--resume")
    with (run / "log.txt").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    if core >= 0:
        os.sched_setaffinity(process.pid, {core})
    return process


def train_all(tables, output: Path, steps: int, workers: int) -> int:
    """Trains what is missing; returns how many runs failed."""
    jobs = []
    for name in tables:
        rows, seeds = TABLES[name]
        jobs += [(seed, row) for seed in seeds for row in rows]
    todo, failed = SimpleQueue(), []
    for seed, row in sorted(dict.fromkeys(jobs), key=lambda job: job[0]):
        if figures(output / f"{row}-{seed}") is None:
            todo.put((row, seed))
    cores = sorted(os.sched_getaffinity(0))

    def work(core):
        while True:
            try:
                row, seed = todo.get_nowait()
            except Empty:
                return
            code = start(row, seed, output, steps, core).wait()
            run = output / f"{row}-{seed}"
            found = None if code else figures(run)
            if found is None:
                failed.append(row)
                print(f"{row}-{seed}: exit code {code}, see {run}/log.txt", flush=True)
            else:
                print(f"{row}-{seed}: mask AP {found['mask/AP']:.4f}", flush=True)

    pinned = [cores[i % len(cores)] if workers > 1 else -1 for i in range(workers)]
    threads = [threading.Thread(target=work, args=(core,)) for core in pinned]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


def spread(values: list[float]) -> str:
    """Mean and the half-distance between the extremes, in points of AP."""
    if not values:
        return "-"
    half = (max(values) - min(values)) / 2
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


def read_timing(output: Path) -> dict[str, dict[str, float]]:
    path = output / TIMING
    return json.loads(path.read_text()) if path.exists() else {}


def time_all(tables, output: Path, rounds: int) -> None:
    """Times the rows of the tables, and keeps what is known of others."""
    rows = list(dict.fromkeys(r for name in tables for r in TABLES[name][0]))
    found = read_timing(output) | time_rows(rows, rounds)
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / TIMING, json.dumps(found, indent=1).encode())


def print_table(name: str, output: Path) -> None:
    rows, seeds = TABLES[name]
    timing = read_timing(output)
    heads = [*METRICS[name], "runs", "step time", "inference time"]
    print(f"| {name} | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for row, (title, _) in rows.items():
        found = [figures(output / f"{row}-{seed}") for seed in seeds]
        found = [f for f in found if f is not None]
        cells = [spread([f[metric] for f in found]) for metric in METRICS[name]]
        times = [
            f"{timing[row][kind]:.2f}" if row in timing else "-"
            for kind in ("step", "inference")
        ]
        print(f"| {title} | " + " | ".join([*cells, str(len(found)), *times]) + " |")
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--table", choices=TABLES, help="one table alone")
    parser.add_argument("--steps", type=int, default=0, help="default: the recipe's")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="runs at a time"
    )
    parser.add_argument("--time", action="store_true", help="measure the times alone")
    parser.add_argument("--rounds", type=int, default=7, help="of the times")
    parser.add_argument("--print", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    tables = [options.table] if options.table else list(TABLES)
    failed = 0
    if not (options.time or options.print):
        write_data(options.output / "data")
        failed = train_all(tables, options.output, options.steps, options.workers)
    known = read_timing(options.output)
    missing = any(row not in known for name in tables for row in TABLES[name][0])
    if options.time or (missing and not options.print and not failed):
        time_all(tables, options.output, options.rounds)
    for name in tables:
        print_table(name, options.output)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
