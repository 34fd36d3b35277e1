import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("replica_run.py")
KERAS_2 = keras.__version__.startswith("2.")


def run(folder, replicas, optimizer, clip_norm) -> dict:
    output = folder / f"{replicas}.npz"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, SCRIPT, output, str(replicas), optimizer, str(clip_norm)],
        check=True,
        env=environment,
        capture_output=True,
        timeout=120,
    )
    return dict(np.load(output))


CASES = [("sgd", 0.1)]
SLOW = [("sgd", 0.0), ("AdamW", 0.0)]
SLOW += [("tfa.SGDW", 0.1), ("tfa.Lookahead", 0.0)] if KERAS_2 else []
CASES += [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW]


@pytest.mark.parametrize(("optimizer", "clip_norm"), CASES)
def test_two_replicas_learn_what_one_learns(tmp_path, optimizer, clip_norm):
    one = run(tmp_path, 1, optimizer, clip_norm)
    two = run(tmp_path, 2, optimizer, clip_norm)
    assert one.pop("replicas") == 1
    assert two.pop("replicas") == 2
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
