import json

import pytest
from training.fake_run import CLASSES, fake_config

from tfmask import config as config_module
from tfmask.errors import RunFolderError
from tfmask.structures import ClassMap
from tfmask.training.run_folder import RunFolder


def started(tmp_path, **settings) -> RunFolder:
    """A folder with a run in it."""
    folder = RunFolder(fake_config(tmp_path, **settings), CLASSES)
    folder.open(resume=False)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-3.index").write_bytes(b"")
    return folder


def test_config_and_classes_stand_in_the_folder(tmp_path):
    config = fake_config(tmp_path / "run", decay_at=(0.5, 10))
    RunFolder(config, CLASSES).open(resume=False)
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config_module.from_dict(written) == config
    classes = json.loads((tmp_path / "run" / "classes.json").read_text())
    assert ClassMap.from_json(classes) == CLASSES


def test_folder_with_a_run_is_refused_unless_resuming(tmp_path):
    started(tmp_path)
    with pytest.raises(RunFolderError, match="--resume"):
        RunFolder(fake_config(tmp_path), CLASSES).open(resume=False)
    assert RunFolder(fake_config(tmp_path), CLASSES).open(resume=True) == []


def test_resume_in_an_empty_folder_is_a_start(tmp_path):
    assert RunFolder(fake_config(tmp_path), CLASSES).open(resume=True) == []


@pytest.mark.parametrize(
    "override",
    [
        "train.seed=1",
        "train.batch_size=8",
        "train.optimizer=AdamW",
        "data.train=elsewhere",
        "data.flip=0.0",
        "model.backbone.depth=18",
    ],
)
def test_resume_with_another_result_is_refused_by_its_path(tmp_path, override):
    started(tmp_path)
    config = config_module.apply_overrides(fake_config(tmp_path), [override])
    with pytest.raises(RunFolderError, match=override.split("=")[0]):
        RunFolder(config, CLASSES).open(resume=True)


@pytest.mark.parametrize(
    "override",
    ["train.steps=99", "train.log_every=1", "data.val=elsewhere", "data.workers=2"],
)
def test_resume_names_what_may_change(tmp_path, override):
    started(tmp_path)
    config = config_module.apply_overrides(fake_config(tmp_path), [override])
    (line,) = RunFolder(config, CLASSES).open(resume=True)
    assert line.startswith(override.split("=")[0])


def test_moved_folder_can_be_resumed(tmp_path):
    started(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert RunFolder(fake_config(tmp_path / "b"), CLASSES).open(resume=True) == []


def test_resume_with_other_classes_is_refused(tmp_path):
    started(tmp_path)
    other = ClassMap((3, 7), ("round", "square"))
    with pytest.raises(RunFolderError, match="other classes"):
        RunFolder(fake_config(tmp_path), other).open(resume=True)


def test_lost_config_cannot_be_resumed(tmp_path):
    started(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match="config.json"):
        RunFolder(fake_config(tmp_path), CLASSES).open(resume=True)


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder(fake_config(tmp_path / "file" / "run"), CLASSES).open(resume=False)


def test_other_workers_write_elsewhere(tmp_path):
    folder = RunFolder(fake_config(tmp_path / "run"), CLASSES, chief=False)
    folder.open(resume=False)
    folder.append({"step": 1})
    assert not (tmp_path / "run").exists()
    assert folder.output == tmp_path / "run"


def test_rewind_drops_later_and_broken_lines(tmp_path):
    folder = started(tmp_path)
    folder.append({"step": 2, "loss": 1.0})
    folder.append({"step": 4, "loss": 0.5})
    with open(folder.metrics_path, "a") as file:
        file.write('{"step": 3, "lo')
    folder.rewind(3)
    assert folder.records() == [{"step": 2, "loss": 1.0}]


def test_best_is_minus_one_before_the_first_evaluation(tmp_path):
    assert started(tmp_path).best() == -1.0
