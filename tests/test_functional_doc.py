"""The program of docs/functional.md, as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TRAINED = """
import json
inputs, _ = scenes(2, seed=2)
predictions = model.predict(inputs)
np.savez("before.npz", **inputs, **predictions)
print("\\nlosses", json.dumps(history.history["loss"]))
"""
LOADED = """
before = np.load("before.npz")
predictions = model.predict({name: before[name] for name in ("images", "boxes")})
for name in ("plain", "preserving", "boundary"):
    np.testing.assert_array_equal(predictions[name], before[name])
assert mask.shape == (28, 28)
"""


@pytest.fixture(scope="module")
def blocks():
    text = (ROOT / "docs" / "functional.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def run(program: str, folder: Path) -> str:
    """Runs a program in a process of its own; its standard output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_heads_learn_and_come_back_in_another_process(blocks, tmp_path):
    build, train, load = blocks
    output = run(build + train + TRAINED, tmp_path)
    losses = json.loads(re.search(r"^losses (.*)$", output, re.M)[1])
    assert losses[-1] < 0.6 * losses[0]
    run(load + LOADED, tmp_path)


def test_each_import_of_the_page_is_used(blocks):
    whole = "".join(blocks)
    for name in re.findall(r"^from tfmask\S* import (\w+)$", whole, re.M):
        assert len(re.findall(rf"\b{name}\b", whole)) > 1, name
