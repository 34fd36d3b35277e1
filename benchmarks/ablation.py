"""Trains and evaluates every row of the ablation tables on generated, huddled shapes.

    python benchmarks/ablation.py                       all tables: all of it
    python benchmarks/ablation.py --table refinement    one table
    python benchmarks/ablation.py --rows baseline bmask these rows, in this order
    python benchmarks/ablation.py --time                the time ratios alone, anew
    python benchmarks/ablation.py --print               what there is so far

Every run is a `tfmask train` of its own in `--output/ROW-SEED`. A run that is there is
not repeated, and one that was stopped goes on where it stopped; the figures of all are
in `--output/figures.json`, which `--print` alone needs. Runs that share a machine share
out its cores (`--workers`). When all are there, step and inference times are measured,
all rows in turns.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from ablation_rows import ROWS, TABLES
from ablation_runs import Run, Runs, read_figures
from ablation_timing import time_rows

from tfmask.data.synthetic.generate import write_dataset
from tfmask.files import write_atomically

TRAIN_IMAGES, VAL_IMAGES = 1200, 200
TIMING = "timing.json"
SINGLY = ("box/AP", "mask/AP")  # the figures of each seed are printed too
REFINED = ("box/AP", "mask/AP", "mask/AP75", "mask/AP_crowded")
METRICS = {
    "mask_branch": ("mask/AP", "mask/AP75", "boundary/AP", "mask/AP_crowded"),
    "refinement": REFINED,
    "refinement_from_base": REFINED,
}


def write_data(folder: Path) -> None:
    for name, count, seed in (("train", TRAIN_IMAGES, 1), ("val", VAL_IMAGES, 2)):
        if not (folder / name / "annotations.json").exists():
            write_dataset(folder / name, count, seed=seed)


def runs_of(tables: list[str], rows: list[str]) -> list[Run]:
    """The runs of some tables: all rows of a seed after the other, or `rows` alone."""
    runs = [
        Run(row, seed)
        for name in tables
        for row in TABLES[name][0]
        for seed in TABLES[name][1]
        if not rows or row in rows
    ]
    if rows:
        runs.sort(key=lambda run: rows.index(run.row))
    else:
        runs.sort(key=lambda run: run.seed)
    return list(dict.fromkeys(runs))


def spread(values: list[float]) -> str:
    """Mean and the half-distance between the extremes, in points of AP."""
    if not values:
        return "-"
    half = (max(values) - min(values)) / 2
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


def read_timing(output: Path) -> dict[str, dict[str, float]]:
    path = output / TIMING
    return json.loads(path.read_text()) if path.exists() else {}


def timed_rows(tables: list[str]) -> list[str]:
    """The rows to time: how a row's weights began makes no difference."""
    rows = (row for name in tables for row in TABLES[name][0])
    return [row for row in dict.fromkeys(rows) if not ROWS[row].base]


def time_all(tables: list[str], output: Path, rounds: int) -> None:
    """Times the rows of the tables, and keeps what is known of others."""
    timing = read_timing(output) | time_rows(timed_rows(tables), rounds)
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / TIMING, json.dumps(timing, indent=1).encode())


def print_table(name: str, output: Path) -> None:
    rows, seeds = TABLES[name]
    known, timing = read_figures(output), read_timing(output)
    kinds = [] if any(row.base for row in rows.values()) else ["step", "inference"]
    heads = [*METRICS[name], "runs", *(f"{kind} time" for kind in kinds)]
    singly = [metric for metric in METRICS[name] if metric in SINGLY]
    heads += [f"{metric} of each seed" for metric in singly]
    print(f"| {name} | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for row, (title, *_) in rows.items():
        figures = [known.get(str(Run(row, seed))) for seed in seeds]
        done = [f for f in figures if f is not None]
        cells = [spread([f[metric] for f in done]) for metric in METRICS[name]]
        cells.append(str(len(done)))
        cells += [f"{timing[row][k]:.2f}" if row in timing else "-" for k in kinds]
        cells += [
            ", ".join(f"{100 * f[metric]:.1f}" if f else "-" for f in figures)
            for metric in singly
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--table", choices=TABLES, help="one table alone")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=[], help="these alone, in this order"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="PATH=VALUE",
        help="settings of every run, e.g. train.steps=2",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="runs at a time"
    )
    parser.add_argument("--time", action="store_true", help="measure the times alone")
    parser.add_argument("--rounds", type=int, default=7, help="of the times")
    parser.add_argument("--print", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    tables = [options.table] if options.table else list(TABLES)
    failed = []
    if not (options.time or options.print):
        write_data(options.output / "data")
        runs = Runs(options.output, options.set, options.workers)
        runs.train(runs_of(tables, options.rows))
        failed = runs.failed
    known = read_timing(options.output)
    missing = any(row not in known for row in timed_rows(tables))
    ended = not (options.print or options.rows or failed)
    if options.time or (missing and ended):
        time_all(tables, options.output, options.rounds)
    for name in tables:
        print_table(name, options.output)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
