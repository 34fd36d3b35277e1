import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tfmask import errors
from tfmask.cli import main, parser
from tfmask.cli.settings import read_config
from tfmask.config import load_config, to_dict
from tfmask.data.synthetic.generate import CLASSES, write_dataset
from tfmask.errors import ConfigError, DataError
from tfmask.training import trainer

RECIPE = "demo/shapes"


@pytest.fixture
def calls(monkeypatch):
    """Calls of the trainer, which is replaced."""
    found = []

    def train(config, resume=False, log=print):
        found.append((config, resume))
        return {}

    monkeypatch.setattr(trainer, "train", train)
    return found


def failing(monkeypatch, error):
    def train(config, resume=False, log=print):
        raise error

    monkeypatch.setattr(trainer, "train", train)


def test_train_hands_over_the_resolved_configuration(calls):
    arguments = ["train", RECIPE, "train.steps=7", "--resume", "data.train=x"]
    assert main([*arguments, "--output", "runs/y"]) == 0
    config, resume = calls[0]
    assert (config.train.steps, config.data.train) == (7, "x")
    assert config.train.output == "runs/y"
    assert resume


def test_scripts_are_the_commands(calls, monkeypatch):
    root = Path(__file__).parent.parent
    for script, word in (("train.py", "CONFIG"), ("evaluate.py", "--load")):
        done = subprocess.run(
            [sys.executable, root / script, "--help"], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert word in done.stdout


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["train"],
        ["train", RECIPE, "--reusme"],
        ["train", RECIPE, "data.train=x", "--resume", "stray"],
        ["evaluate", RECIPE],
        ["predict", RECIPE, "a.png", "--load", "x"],
        ["predict", RECIPE, "a.png", "--load", "x", "--out", "o", "--threshold", "7"],
        ["predict", RECIPE, "a.png", "--load", "x", "--out", "o", "--show", "edges"],
        ["validate", "a.json", "--exif", "never"],
        ["convert", "a.pkl", "--config", RECIPE, "--out", "o"],
    ],
)
def test_wrong_usage_ends_with_2(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: tfmask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["train", "demo/shape", "data.train=x"], "demo/shapes"),
        (["train", RECIPE], "data.train: expected"),
        (["train", RECIPE, "data.train=x", "train.stebs=3"], "train.steps"),
        (["train", RECIPE, "data.train=x", "train.steps=x"], "expected a whole number"),
        (["evaluate", RECIPE, "--load", "x"], "data.val: expected"),
        (["evaluate", "no/such.json", "--load", "x"], "cannot be read"),
    ],
)
def test_wrong_configuration_is_one_line_and_ends_with_2(argv, part, capsys):
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("tfmask: ")
    assert part in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        DataError("a.json: no image is usable"),
        errors.NonFiniteLossError("mask loss is nan, images 3, 4"),
        errors.RunFolderError("runs/x: holds checkpoints already"),
        errors.CheckpointError("runs/x: disk full"),
        errors.ClassMapError("other classes"),
        PermissionError(13, "Permission denied", "runs/x"),
    ],
)
def test_failure_of_the_work_is_one_line_and_ends_with_1(monkeypatch, capsys, error):
    failing(monkeypatch, error)
    assert main(["train", RECIPE, "data.train=x"]) == 1
    said = capsys.readouterr().err
    assert said == f"tfmask: {error}\n"


def test_traceback_on_demand(monkeypatch):
    failing(monkeypatch, DataError("bad"))
    monkeypatch.setenv("TFMASK_TRACEBACK", "1")
    with pytest.raises(DataError):
        main(["train", RECIPE, "data.train=x"])


def test_a_fault_of_our_own_keeps_its_traceback(monkeypatch):
    failing(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["train", RECIPE, "data.train=x"])


def test_ctrl_c_ends_with_130(monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    assert main(["train", RECIPE, "data.train=x"]) == 130


def test_commands_run_in_any_thread(calls):
    codes = []
    thread = threading.Thread(
        target=lambda: codes.append(main(["train", RECIPE, "data.train=x"]))
    )
    thread.start()
    thread.join()
    assert codes == [0] and len(calls) == 1


def test_interrupted_training_ends_with_the_code_of_the_signal(monkeypatch):
    failing(monkeypatch, errors.TrainingInterrupted(signal.SIGTERM, 12))
    with pytest.raises(SystemExit) as caught:
        main(["train", RECIPE, "data.train=x"])
    assert caught.value.code == 143


def test_sigterm_ends_a_command_with_143(tmp_path):
    fifo = tmp_path / "annotations.json"
    os.mkfifo(fifo)  # reading it waits for ever
    process = subprocess.Popen(
        [sys.executable, "-m", "tfmask", "validate", str(fifo)], stderr=subprocess.PIPE
    )
    with open(fifo, "w"):  # returns when the command reads
        time.sleep(0.1)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert b"Traceback" not in said


def test_closed_output_is_no_failure_to_talk_about(tmp_path):
    write_dataset(tmp_path, 1, size=64)
    done = subprocess.run(
        f"{sys.executable} -m tfmask recipes | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr


def test_dry_run_prints_settings_and_parameters(calls, capsys):
    arguments = ["mask_rcnn/detectron2_r50", "--dry-run", "train.steps=3"]
    assert main(["train", *arguments]) == 0
    said = capsys.readouterr().out
    assert "train.steps=3\n" in said
    assert "80 classes (assumed" in said
    assert "44,343,216" in said
    assert "800x1333, 1000 proposals, 100 detections" in said
    assert "100 x 0.529859" in said
    assert not calls


def test_dry_run_counts_the_cost_of_the_size_asked_for(capsys):
    arguments = ["--dry-run", "--image-size", "64x96", "--rois", "7"]
    assert main(["train", RECIPE, *arguments]) == 0
    said = capsys.readouterr().out
    assert "64x96, 300 proposals, 7 detections" in said
    backbone = float(re.search(r"backbone +([\d.]+) G", said)[1])
    assert main(["train", RECIPE, "--dry-run", "--image-size", "128x96"]) == 0
    said = capsys.readouterr().out
    assert float(re.search(r"backbone +([\d.]+) G", said)[1]) > 1.9 * backbone


@pytest.mark.parametrize("value", ["800", "800x", "0x64", "ax64", "64x64x3"])
def test_image_size_that_is_none_is_an_error_of_the_command_line(value, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", RECIPE, "--dry-run", "--image-size", value])
    assert caught.value.code == 2
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


def test_dry_run_refuses_what_cannot_be_trained(capsys):
    arguments = ["train", RECIPE, "--dry-run", "train.optimizer=nonsense"]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert "train.optimizer=nonsense: expected sgd" in said.err
    assert not said.out


def test_dry_run_takes_the_classes_of_the_data(calls, capsys, tmp_path):
    write_dataset(tmp_path, 2, size=64)
    assert main(["train", RECIPE, "--dry-run", f"data.train={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert f"parameters, {len(CLASSES)} classes (data.train)" in said
    assert f"model.num_classes={len(CLASSES)}\n" in said


def test_dry_run_says_that_a_frozen_trunk_needs_weights(calls, capsys):
    small = ["model.backbone.width=8", "model.backbone.depth=26"]
    arguments = ["train", "mask_rcnn/detectron2_r50", "--dry-run", *small]
    assert main(arguments) == 0
    assert "refuses this: model.backbone.norm=frozen_bn without" in (
        capsys.readouterr().out
    )
    assert main([*arguments, "model.backbone.weights=x.npz"]) == 0
    assert "refuses" not in capsys.readouterr().out


def test_overrides_may_stand_on_both_sides_of_options():
    argv = ["train", RECIPE, "a=1", "--resume", "b=2", "--output", "x", "c=3"]
    options = parser.parse(argv)
    assert sorted(options.overrides) == ["a=1", "b=2", "c=3"]
    assert options.output == "x"


def test_configuration_of_a_run_can_be_used_again(tmp_path):
    config = load_config(RECIPE)
    config.train.steps = 77
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_dict(config)))
    assert read_config(str(path), []) == config


@pytest.mark.parametrize("content", ["{", "[1]", '{"model": 3}', '{"modle": {}}'])
def test_broken_config_json_is_a_configuration_error(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        read_config(str(path), [])


def test_recipes_lists_names_with_what_they_are(capsys):
    assert main(["recipes"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["mr_rcnn/r101_dcn"].startswith("MR R-CNN, R101-FPN with deformable")
    assert "maskplus/maskplus_plus_r101" in lines


def test_tables_prints_each_row_with_its_recipe(capsys):
    assert main(["tables", "maskplus"]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if "maskplus/cf_720 " in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["maskplus/cf_720", "720-512-512-256"]
    assert cells[2:8] == ["35.5", "57.0", "37.8", "18.5", "38.7", "48.8"]
    assert "| not part of tfmask " in said
    assert "BMask" not in said


def test_tables_as_data(capsys):
    assert main(["tables", "--json", "mr_rcnn"]) == 0
    rows = json.loads(capsys.readouterr().out)
    alpha = next(row for row in rows if row["row"] == "alpha 0.1")
    assert alpha["recipe"] == "mr_rcnn/r50_alpha_0_1"
    assert alpha["metrics"] == {"box/AP": 39.3, "mask/AP": 35.2}
    assert {row["paper"] for row in rows} == {"MR R-CNN"}


def test_tables_with_the_figures_of_a_run(tmp_path, capsys):
    lines = [{"step": 1, "evaluation": {"mask/AP": 0.2}}]
    lines += [{"step": 2, "evaluation": {"mask/AP": 0.3517}}, {"step": 3, "loss": 1.0}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4, "eval'
    (tmp_path / "metrics.jsonl").write_text(text)
    command = ["tables", "maskplus", "--measured"]
    assert main([*command, f"maskplus/dpm={tmp_path}"]) == 0
    said = capsys.readouterr().out.splitlines()
    row = next(line for line in said if line.startswith("| maskplus/dpm "))
    assert row.split("|")[-2].strip() == "35.17"
    (tmp_path / "m.json").write_text(json.dumps({"figures": {"mask/AP": 0.4}}))
    assert main([*command, f"maskplus/dpm={tmp_path / 'm.json'}"]) == 0
    assert "40.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pair", "text", "words"),
    [
        ("maskplus/dpm", None, "expected RECIPE=PATH"),
        ("maskplus/nope={}", None, "no such recipe"),
        ("maskplus/dpm={}", None, "cannot be read"),
        ("maskplus/dpm={}", "[]", "expected an evaluation"),
        ("maskplus/dpm={}", '{"figures": 3}', "expected an evaluation"),
    ],
)
def test_tables_with_figures_that_are_not_there(tmp_path, capsys, pair, text, words):
    file = tmp_path / "m.json"
    if text is not None:
        file.write_text(text)
    assert main(["tables", "--measured", pair.format(file)]) == 2
    assert words in capsys.readouterr().err


def test_tables_of_an_unknown_paper_names_the_known(capsys):
    assert main(["tables", "yolo"]) == 2
    assert "IEMask R-CNN" in capsys.readouterr().err


# --- validate -------------------------------------------------------------------------


def test_validate_of_good_data(tmp_path, capsys):
    write_dataset(tmp_path, 3, size=64)
    assert main(["validate", str(tmp_path), "--strict"]) == 0
    assert "0 errors" in capsys.readouterr().out


def test_validate_lists_ids_and_fails_only_with_strict(tmp_path, capsys):
    path = write_dataset(tmp_path, 3, seed=1, size=96)
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 999
    path.write_text(json.dumps(content))
    assert main(["validate", str(path)]) == 0
    said = capsys.readouterr().out
    assert "annotation 1" in said
    assert "1 errors" in said
    assert main(["validate", str(path), "--strict"]) == 1


def test_validate_of_a_missing_file(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "none.json"), "--strict"]) == 1
    assert "none.json" in capsys.readouterr().out
