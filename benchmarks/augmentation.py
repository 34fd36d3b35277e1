"""Trains demo/nuclei with and without augmentation, prints the APs and what they cost.

    python benchmarks/augmentation.py --data TRAIN --val VAL [--rows plain all]
        [--steps 1100 | --steps 1100 1000] [--seeds 0 1] [path=value ...]

Every run is a `tfmask train` of its own in `--output/ROW-SEED`, one after the other. A
run that has ended is not repeated, and one that was stopped goes on where it stopped.
The minutes are CPU time of training and evaluation, all cores together, so that other
work on the machine does not count. Augmentation makes a step dearer: for rows of equal
time give each its own number of steps.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from ablation_runs import evaluation
from common import print_table

RECIPE = "demo/nuclei"
TURNS = ("data.augment.vertical_flip=0.5", "data.augment.rotate=0.75")
SCALE = ("data.augment.scale_jitter=0.5,2.0",)
COLOURS = (
    "data.augment.brightness=0.2",
    "data.augment.contrast=0.2",
    "data.augment.saturation=0.2",
    "data.augment.hue=0.05",
)
PASTE = ("data.augment.copy_paste=0.5", "data.augment.paste_instances=0.3")
ROWS = {
    "plain": (),
    "turns": TURNS,
    "scale": SCALE,
    "colours": COLOURS,
    "paste": PASTE,
    "all": (*TURNS, *SCALE, *COLOURS, *PASTE),
}
METRICS = ("mask/AP", "mask/AP50", "mask/AP75", "box/AP", "boundary/AP")


def train(folder: Path, overrides: list[str]) -> None:
    """Trains a run, or what is left of it; raises CalledProcessError."""
    command = [sys.executable, "-m", "tfmask", "train", RECIPE, *overrides]
    command += ["--output", str(folder)]
    if (folder / "checkpoints").exists():
        command.append("--resume")
    before = _cpu_minutes()
    subprocess.run(command, check=True)
    with open(folder / "minutes.txt", "a", encoding="utf-8") as file:
        file.write(f"{_cpu_minutes() - before}\n")


def _cpu_minutes() -> float:
    """Of all processes that were waited for so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) / 60


def row_of(name: str, steps: int, seeds: list[int], output: Path) -> dict:
    """The figures of a row, means over its seeds."""
    folders = [output / f"{name}-{seed}" for seed in seeds]
    figures = [evaluation(folder) for folder in folders]
    texts = [(folder / "minutes.txt").read_text().split() for folder in folders]
    minutes = statistics.mean(sum(map(float, text)) for text in texts)
    means = {m: statistics.mean(f[m] for f in figures) for m in METRICS}
    return {"row": name, "steps": steps, **means, "CPU minutes": minutes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    parser.add_argument("--data", required=True, help="training data")
    parser.add_argument("--val", required=True, help="validation data")
    parser.add_argument(
        "--steps", nargs="+", type=int, default=[1100], help="of all rows, or of each"
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["plain", "all"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--output", type=Path, default=Path("runs/augmentation"))
    args = parser.parse_intermixed_args()
    if len(args.steps) == 1:
        args.steps *= len(args.rows)
    if len(args.steps) != len(args.rows):
        parser.error(f"--steps: {len(args.steps)} numbers for {len(args.rows)} rows")
    for seed in args.seeds:
        for name, steps in zip(args.rows, args.steps):
            folder = args.output / f"{name}-{seed}"
            if evaluation(folder) is None:
                print(f"=== {name}, seed {seed}", flush=True)
                data = [f"data.train={args.data}", f"data.val={args.val}"]
                run = [f"train.steps={steps}", f"train.seed={seed}"]
                train(folder, [*data, *run, *ROWS[name], *args.overrides])
    rows = [
        row_of(name, steps, args.seeds, args.output)
        for name, steps in zip(args.rows, args.steps)
    ]
    print_table(rows, ["row", "steps", *METRICS, "CPU minutes"])


if __name__ == "__main__":
    main()
