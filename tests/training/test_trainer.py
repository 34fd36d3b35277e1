"""The whole path on the real model and data, at a size that a test can bear."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tfmask import config as config_module
from tfmask.data import sets
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ConfigError, RunFolderError
from tfmask.training import checkpoints, run_lock, trainer
from tfmask.weights import files as weight_files
from tfmask.weights import load

ROOT = Path(__file__).parents[2]
TINY = (
    "data.short_side=64",
    "data.max_side=96",
    "data.eval_short_side=64",
    "data.eval_max_side=96",
    "model.backbone.width=8",
    "model.backbone.norm=bn",
    "model.neck.norm=none",
    "model.neck.channels=16",
    "model.rpn.channels=16",
    "model.roi.batch=16",
    "model.boxes.head.fc_units=32",
    "model.mask.head.channels=16",
    "model.rpn.post_nms_train=50",
    "train.optimizer=sgd",
    "train.learning_rate=0.02",
    "train.weight_decay=0.0001",
    "train.steps=4",
    "train.warmup_steps=2",
    "train.checkpoint_every=2",
    "train.log_every=1",
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A folder with train/ and val/."""
    folder = tmp_path_factory.mktemp("shapes")
    write_dataset(folder / "train", 8, seed=0, size=80)
    write_dataset(folder / "val", 2, seed=1, size=80)
    return folder


def tiny_config(shapes, output, *overrides):
    config = config_module.load_config("demo/shapes")
    paths = (f"data.train={shapes}/train", f"train.output={output}")
    return config_module.apply_overrides(config, [*paths, *TINY, *overrides])


def train_command(shapes, output, *overrides, resume=False):
    """The words of `tfmask train`."""
    paths = (f"data.train={shapes}/train", f"train.output={output}")
    arguments = ["--resume"] if resume else []
    words = [sys.executable, "-m", "tfmask", "train", "demo/shapes", *arguments]
    return [*words, *paths, *TINY, *overrides]


def run_command(shapes, output, *overrides, resume=False, **options):
    """`tfmask train` in a process of its own."""
    return subprocess.run(
        train_command(shapes, output, *overrides, resume=resume),
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def run_with_callback(config, methods: str):
    """Trains in a process of its own, with a Keras callback of these methods."""
    code = (
        "import json, os, sys, keras\n"
        "from tfmask import config\n"
        "from tfmask.training import trainer\n"
        f"class Watch(keras.callbacks.Callback):\n{methods}"
        "settings = config.from_dict(json.loads(sys.stdin.read()))\n"
        "trainer.train(settings, callbacks=[Watch()])\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        input=json.dumps(config_module.to_dict(config)),
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def final_weights(output) -> dict:
    newest = checkpoints.existing(Path(output) / "checkpoints")[-1]
    return weight_files.read_checkpoint(newest).weights


def assert_equal(first: dict, second: dict, **tolerance):
    assert first.keys() == second.keys()
    for path, value in first.items():
        np.testing.assert_allclose(
            second[path], value, err_msg=path, **{"rtol": 0, "atol": 0, **tolerance}
        )


@pytest.mark.slow
def test_training_leaves_everything_in_its_folder(shapes, tmp_path):
    done = run_command(
        shapes,
        tmp_path,
        f"data.val={shapes}/val",
        "train.tensorboard_images=1",
        "train.eval_losses=true",
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "best.json",
        "best.tfmask.h5",
        "checkpoints",
        "classes.json",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "results.json",
        "tensorboard",
    }
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").open()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 4]
    terms = {"rpn_objectness", "rpn_box", "box_class", "box_regression", "mask"}
    assert terms < set(lines[0])
    assert "mask/AP_crowded" in lines[-1]["evaluation"]
    losses = {k.removeprefix("loss/"): v for k, v in lines[-1]["evaluation"].items()}
    assert losses["loss"] == pytest.approx(sum(losses[term] for term in terms))
    assert 0 < losses["loss"] < 2 * lines[-2]["loss"]
    written = json.loads((tmp_path / "config.json").read_text())
    categories = json.loads((shapes / "train" / "annotations.json").read_text())
    classes = len(categories["categories"])
    assert written["model"]["num_classes"] == classes
    file = load.read_weights(tmp_path)
    assert file.path.endswith("best.tfmask.h5")
    assert file.class_map.num_classes == classes
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"val/image_0" in events.read_bytes()


@pytest.mark.slow
def test_interrupted_and_resumed_run_is_bit_equal(shapes, tmp_path):
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert run_command(shapes, whole).returncode == 0
    config = tiny_config(shapes, half)
    killed = run_with_callback(
        config,
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        self.steps = getattr(self, 'steps', 0) + 1\n"
        "        if self.steps == 3: os.kill(os.getpid(), 9)\n",
    )
    assert killed.returncode == -9, killed.stderr
    assert checkpoints.existing(half / "checkpoints")[-1].endswith("step-2")
    done = run_command(shapes, half, resume=True)
    assert "resuming after step 2 of 4" in done.stdout, done.stderr
    assert_equal(final_weights(whole), final_weights(half))


@pytest.mark.slow
def test_run_killed_at_five_random_moments_ends_with_the_same_weights(shapes, tmp_path):
    whole, killed, steps = tmp_path / "whole", tmp_path / "killed", "train.steps=40"
    assert run_command(shapes, whole, steps).returncode == 0
    rng, log = random.Random(3), killed / "metrics.jsonl"
    for goal in (1, 5, 12, 20, 28):
        process = subprocess.Popen(
            train_command(shapes, killed, steps, resume=True),
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not log.exists() or len(log.read_text().splitlines()) < goal:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        assert process.wait(30) == -9
    done = run_command(shapes, killed, steps, resume=True)
    assert "resuming after step" in done.stdout, done.stderr
    assert_equal(final_weights(whole), final_weights(killed))
    logs = [
        [json.loads(line) for line in (run / "metrics.jsonl").open()]
        for run in (whole, killed)
    ]
    # Every step once, and with the losses of the same examples.
    assert [line["step"] for line in logs[1]] == list(range(1, 41))
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]


@pytest.mark.slow
def test_two_replicas_train_as_one(shapes, tmp_path):
    settings = ("train.steps=3", "model.backbone.norm=sync_bn", "train.log_every=1")
    for replicas in (1, 2):
        done = run_command(
            shapes,
            tmp_path / str(replicas),
            f"train.virtual_cpus={replicas}",
            *settings,
        )
        assert done.returncode == 0, done.stderr
        assert f"on {replicas} replica(s)" in done.stdout
    one, two = tmp_path / "1", tmp_path / "2"
    assert_equal(final_weights(one), final_weights(two), rtol=1e-4, atol=1e-6)
    lines = [
        [json.loads(line) for line in (run / "metrics.jsonl").open()]
        for run in (one, two)
    ]
    for first, second in zip(*lines, strict=True):
        for name in ("loss", "mask", "rpn_objectness", "box_regression"):
            assert second[name] == pytest.approx(first[name], rel=1e-4)


@pytest.mark.slow
def test_memory_does_not_grow_over_epochs(shapes, tmp_path):
    config = tiny_config(
        shapes, tmp_path, "train.steps=120", "train.checkpoint_every=20"
    )
    done = run_with_callback(
        config,
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        pages = int(open('/proc/self/statm').read().split()[1])\n"
        "        print('resident', pages * os.sysconf('SC_PAGESIZE') / 2**20)\n",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    resident = [float(x.split()[1]) for x in lines if x.startswith("resident")]
    assert len(resident) == 60
    early, late = np.median(resident[20:30]), np.median(resident[50:])
    assert late - early < 10, resident


def test_missing_training_data_is_one_clear_error(tmp_path):
    config = config_module.load_config("demo/shapes")
    config.train.output = str(tmp_path)
    with pytest.raises(ConfigError, match="data.train"):
        trainer.train(config)


def test_wrong_number_of_classes_is_refused(shapes, tmp_path):
    config = tiny_config(shapes, tmp_path, "model.num_classes=80")
    said = "num_classes=80, as the recipe, .* has 4 categories; model.num_classes=0 on"
    with pytest.raises(ConfigError, match=said):
        trainer.train(config, log=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_frozen_trunk_without_weights_is_refused_before_anything_is_done(
    shapes, tmp_path, monkeypatch
):
    started = []
    monkeypatch.setattr(trainer, "_run", lambda *_: started.append(1))
    frozen = "model.backbone.norm=frozen_bn"
    config = tiny_config(shapes, tmp_path / "run", frozen)
    with pytest.raises(ConfigError, match="frozen_bn without weights: .*norm=gn"):
        trainer.train(config, log=lambda line: None)
    with pytest.raises(ConfigError, match="frozen_bn without weights"):
        trainer.train(config, resume=True, log=lambda line: None)
    assert not (tmp_path / "run").exists() and not started
    for setting in ("train.random_trunk=true", "model.weights=x.tfmask.h5"):
        allowed = tiny_config(shapes, tmp_path / "run", frozen, setting)
        trainer.train(allowed, log=lambda line: None)
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir()
    for suffix in ("index", "data-00000-of-00001"):
        (folder / f"step-2.{suffix}").write_bytes(b"")
    trainer.train(config, resume=True, log=lambda line: None)
    assert len(started) == 3


def test_validation_data_is_matched_by_the_names_of_its_classes(shapes, tmp_path):
    """Other ids and another order of the categories; the figures are the same."""
    content = json.loads((shapes / "val" / "annotations.json").read_text())
    highest = max(category["id"] for category in content["categories"])
    for records, key in (("categories", "id"), ("annotations", "category_id")):
        for record in content[records]:
            record[key] = highest + 1 - record[key]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    config = tiny_config(shapes, tmp_path / "run")
    classes = sets.load_training(config.data, None).class_map
    found = []
    for annotations in (shapes / "val" / "annotations.json", path):
        config.data.val = str(annotations)
        config.data.val_images = f"{shapes}/val/images"
        found.append(sets.load_validation(config.data, classes, None))
    same, other = found
    assert other.class_map.names == same.class_map.names == classes.names
    assert other.class_map.ids == tuple(highest + 1 - i for i in same.class_map.ids)
    for one, two in zip(same.images, other.images, strict=True):
        np.testing.assert_array_equal(one.labels, two.labels)


def test_folder_of_a_running_training_is_refused(shapes, tmp_path):
    with run_lock.locked(tmp_path):
        with pytest.raises(RunFolderError, match=f"process {os.getpid()} on "):
            trainer.train(tiny_config(shapes, tmp_path), log=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_early_stopping_is_refused_where_the_chief_alone_evaluates(
    shapes, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer.devices, "is_cluster", lambda: True)
    monkeypatch.setattr(trainer.devices, "make_strategy", lambda _: None)
    monkeypatch.setattr(trainer.devices, "is_chief", lambda _: True)
    config = tiny_config(shapes, tmp_path, "train.early_stopping=2")
    with pytest.raises(ConfigError, match="early_stopping=2: expected 0"):
        trainer.train(config)
