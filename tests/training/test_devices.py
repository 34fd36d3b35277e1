import json
import os
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


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"xla": "full"}, "train.xla=full: the number of rois.*expected update or off"),
        ({"xla": "update", "optimizer": "tfa.SGDW"}, "tfa.SGDW.*expected off"),
    ],
)
def test_what_xla_cannot_compile_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        devices.make_strategy(TrainConfig(**settings))


def test_without_a_gpu_nothing_is_set_up(monkeypatch):
    monkeypatch.delenv("TF_CUDNN_USE_AUTOTUNE", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    devices.prepare_gpus(shapes_repeat=True)
    assert "TF_CUDNN_USE_AUTOTUNE" not in os.environ


@pytest.mark.parametrize("repeat, value", [(True, "1"), (False, "0")])
def test_autotuning_is_on_where_shapes_repeat(monkeypatch, repeat, value):
    monkeypatch.setenv("TF_CUDNN_USE_AUTOTUNE", "")
    monkeypatch.delenv("TF_CUDNN_USE_AUTOTUNE")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    grown, options = [], []
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda *args: grown.append(args)
    )
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", options.append)
    devices.prepare_gpus(repeat)
    assert os.environ["TF_CUDNN_USE_AUTOTUNE"] == value
    assert grown == [("a GPU", True)] and options == [devices.GRAPH_OPTIONS]
    monkeypatch.setenv("TF_CUDNN_USE_AUTOTUNE", "2")
    devices.prepare_gpus(repeat)
    assert os.environ["TF_CUDNN_USE_AUTOTUNE"] == "2"


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
