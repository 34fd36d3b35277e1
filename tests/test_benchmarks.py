"""Scripts under benchmarks/ that are quick enough to be run here."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_shapes_are_fewer_in_buckets():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in run("shapes.py", "demo/shapes", "--steps", "60").splitlines()
        if line.startswith("| demo")
    ]
    (_, _, tight, _, heads, *_), (_, _, buckets, _, fewer, *_) = rows
    assert tight.endswith("tight") and buckets.endswith("buckets")
    assert int(fewer) <= 12 < int(heads)
