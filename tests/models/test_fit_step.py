"""`fit` and the package's loop take the same steps, on one device and on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("fit_run.py")
ARCHITECTURES = (
    "MaskRCNN",
    "CascadeMaskRCNN",
    "PANetRCNN",
    "MaskPlus",
    "MRRCNN",
    "BMaskRCNN",
    "IEMaskRCNN",
    "MaskScoringRCNN",
)


def run(output, *arguments) -> dict:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, SCRIPT, output, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(output))


def assert_fit_is_the_loop(results, replicas, falls=False):
    assert results["replicas"] == replicas
    names = [k.removeprefix("loop/") for k in results if k.startswith("loop/")]
    assert len(names) > 5
    for name in names:
        np.testing.assert_allclose(
            results[f"fit/{name}"],
            results[f"loop/{name}"],
            rtol=1e-5,
            atol=1e-6,
            err_msg=name,
        )
    assert "loss" in results["terms"] and "mask" in results["terms"]
    epochs = results["losses"].reshape(4, 5, -1).mean(axis=1).T
    np.testing.assert_allclose(results["history"], epochs, rtol=1e-4, atol=1e-6)
    total = results["history"][list(results["terms"]).index("loss")]
    if falls:
        assert total[-1] < 0.9 * total[0]


@pytest.mark.parametrize(
    "replicas", [pytest.param(1, marks=pytest.mark.slow), 2], ids=str
)
def test_fit_takes_the_steps_of_the_loop(tmp_path, replicas):
    # The bound is far below the gradient's norm: clipping before the sum would show.
    results = run(tmp_path / "r.npz", replicas, "sgd", 0.1)
    assert_fit_is_the_loop(results, replicas)


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(("optimizer", "clip_norm"), [("sgd", 0.0), ("AdamW", 0.5)])
def test_every_kind_of_step(tmp_path, optimizer, clip_norm, replicas):
    results = run(tmp_path / "r.npz", replicas, optimizer, clip_norm)
    assert_fit_is_the_loop(results, replicas)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures_on_one_device_and_on_two(tmp_path, architecture):
    one = run(tmp_path / "1.npz", 1, "sgd", 1.0, architecture)
    two = run(tmp_path / "2.npz", 2, "sgd", 1.0, architecture)
    assert_fit_is_the_loop(one, 1, falls=True)
    assert_fit_is_the_loop(two, 2, falls=True)
    if architecture == "MaskPlus":
        return  # its live batch norm has the statistics of each replica's own rois
    # Two replicas add up gradients in another order. The first steps show that and no
    # more; sooner or later it decides between two proposals as good as each other, or a
    # cell of Mask Scoring's target, and from there on the weights go their own ways, as
    # they do when one weight is rounded otherwise.
    assert_same_weights(one, two, "early/", rtol=1e-5, atol=2e-6)


def assert_same_weights(one, two, prefix, **bounds):
    names = [name for name in one if name.startswith(prefix)]
    assert len(names) > 5
    for name in names:
        np.testing.assert_allclose(two[name], one[name], **bounds, err_msg=name)


@pytest.mark.slow
def test_last_batch_that_leaves_a_replica_without_images():
    # The first replica computes the losses of such a batch, as one replica would;
    # predictions have no row too many. A step on it is refused.
    script = SCRIPT.with_name("uneven_run.py")
    one, two = (
        json.loads(
            subprocess.run(
                [sys.executable, script, str(replicas)],
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
                capture_output=True,
                text=True,
                timeout=200,
                check=True,
            ).stdout.splitlines()[-1]
        )
        for replicas in (1, 2)
    )
    assert set(one["losses"]) == {"loss", "box_class", "mask"}
    for name, value in one["losses"].items():
        assert two["losses"][name] == pytest.approx(value, rel=1e-5), name
    assert np.shape(two["logits"]) == (5, 3)
    np.testing.assert_allclose(two["logits"], one["logits"], rtol=1e-4, atol=1e-6)
    assert "error" not in one
    assert "a replica without an image" in two["error"]
