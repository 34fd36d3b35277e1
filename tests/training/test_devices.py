import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError
from tfmask.training import devices

ROOT = Path(__file__).parents[2]


def test_one_device_needs_no_strategy_of_its_own(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [])
    strategy = devices.make_strategy(TrainConfig())
    assert strategy is tf.distribute.get_strategy()
    assert devices.local_replicas(strategy) == 1
    assert devices.is_chief(strategy)


def test_unknown_device_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"GPU:7: no such device.*CPU:0"):
        devices.make_strategy(TrainConfig(devices=("GPU:7",)))


def test_virtual_cpus_are_refused_when_tensorflow_has_started():
    tf.zeros([1])
    with pytest.raises(ConfigError, match="TensorFlow has started already"):
        devices.make_strategy(TrainConfig(virtual_cpus=3, batch_size=3))


@pytest.mark.parametrize("text", ["{", '"worker"', '{"cluster": 3}'])
def test_malformed_tf_config_is_one_clear_error(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        devices.is_cluster()


def test_cluster_has_more_than_one_worker(monkeypatch):
    for workers, expected in ((["a:1"], False), (["a:1", "b:1"], True)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": workers}}))
        assert devices.is_cluster() == expected


def test_batch_that_replicas_cannot_share_is_refused():
    code = (
        "from tfmask.config import TrainConfig\n"
        "from tfmask.training import devices\n"
        "s = devices.make_strategy(TrainConfig(virtual_cpus=2, batch_size=4))\n"
        "assert s.num_replicas_in_sync == devices.local_replicas(s) == 2\n"
        "devices.make_strategy(TrainConfig(virtual_cpus=2, batch_size=3))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert "expected a multiple of the 2 replicas" in done.stderr
