"""Trains demo/nuclei with and without augmentation for as many steps, prints both APs.

    python benchmarks/augmentation.py --data TRAIN --val VAL [--steps 1100]
        [--rows plain all] [--seeds 0 1] [path=value ...]

Every run is a `tfmask train` of its own in `--output/ROW-SEED`, one after the other. A
run that has ended is not repeated, and one that was stopped goes on where it stopped.
The minutes are those of training and evaluation; a row's are its own only where the
machine does nothing else.
"""

import argparse
import statistics
import subprocess
import sys
import time
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
    started = time.monotonic()
    subprocess.run(command, check=True)
    minutes = (time.monotonic() - started) / 60
    with open(folder / "minutes.txt", "a", encoding="utf-8") as file:
        file.write(f"{minutes}\n")


def row_of(name: str, seeds: list[int], output: Path) -> dict:
    """The figures of a row, means over its seeds."""
    folders = [output / f"{name}-{seed}" for seed in seeds]
    figures = [evaluation(folder) for folder in folders]
    texts = [(folder / "minutes.txt").read_text().split() for folder in folders]
    minutes = statistics.mean(sum(map(float, text)) for text in texts)
    means = {m: statistics.mean(f[m] for f in figures) for m in METRICS}
    return {"row": name, "seeds": len(seeds), **means, "minutes": minutes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    parser.add_argument("--data", required=True, help="training data")
    parser.add_argument("--val", required=True, help="validation data")
    parser.add_argument("--steps", type=int, default=1100)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["plain", "all"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--output", type=Path, default=Path("runs/augmentation"))
    args = parser.parse_intermixed_args()
    for seed in args.seeds:
        for name in args.rows:
            folder = args.output / f"{name}-{seed}"
            if evaluation(folder) is None:
                print(f"=== {name}, seed {seed}", flush=True)
                data = [f"data.train={args.data}", f"data.val={args.val}"]
                run = [f"train.steps={args.steps}", f"train.seed={seed}"]
                train(folder, [*data, *run, *ROWS[name], *args.overrides])
    rows = [row_of(name, args.seeds, args.output) for name in args.rows]
    print_table(rows, ["row", "seeds", *METRICS, "minutes"])


if __name__ == "__main__":
    main()
