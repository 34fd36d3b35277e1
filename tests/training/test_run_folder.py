import dataclasses
import json

import numpy as np
import pytest
from training.fake_run import CLASSES, fake_config

from tfmask import config as config_module
from tfmask.data.classes import join
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.errors import RunFolderError
from tfmask.structures import ClassMap
from tfmask.training.run_folder import RunFolder, identity


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


def test_a_run_from_before_a_setting_was_there_is_resumed(tmp_path):
    started(tmp_path)
    path = tmp_path / "config.json"
    written = json.loads(path.read_text())
    for name in ("augment", "channels", "value_range"):
        del written["data"][name]
    path.write_text(json.dumps(written))
    assert RunFolder(fake_config(tmp_path), CLASSES).open(resume=True) == []
    path.write_text(json.dumps(written))
    config = fake_config(tmp_path)
    config.data.augment.rotate = 0.5
    with pytest.raises(RunFolderError, match="data.augment.rotate: 0.0 -> 0.5"):
        RunFolder(config, CLASSES).open(resume=True)


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


def record(image_id, labels, **changes) -> ImageRecord:
    count = len(labels)
    values = {
        "path": f"/somewhere/{image_id}.png",
        "file_name": f"{image_id}.png",
        "width": 40,
        "height": 30,
        "boxes": np.zeros((count, 4), np.float32),
        "crowd": np.zeros(count, bool),
        "areas": np.ones(count),
        "annotation_ids": tuple(range(count)),
        "segmentations": (None,) * count,
        **changes,
    }
    labels = np.array(labels, np.int32)
    return ImageRecord(image_id=image_id, labels=labels, **values)


def data(*images, path="/data") -> Dataset:
    images = list(images) or [record(1, [1, 2]), record(2, [3])]
    return Dataset(
        path=path, source=path, image_folder=path, class_map=CLASSES, images=images
    )


def test_data_is_told_apart_by_what_it_is_not_where_it_lies():
    first = identity(data())
    assert (first["images"], first["instances"]) == (2, 3)
    moved = [dataclasses.replace(r, path="/else") for r in data().images]
    assert identity(data(*moved, path="/else")) == first
    one, two = data().images
    others = [
        (two, one),
        (one,),
        (one, record(3, [3])),
        (one, record(2, [2])),
        (one, record(2, [3], crowd=np.ones(1, bool))),
        (one, record("2", [3])),
    ]
    hashes = [identity(data(*images))["sha256"] for images in others]
    assert len({first["sha256"], *hashes}) == 7


def test_all_sets_of_a_union_tell_it_apart():
    first = data()
    union = identity(join([first, data(record(3, [3]))]))
    assert (union["images"], union["instances"]) == (3, 4)
    moved = join([data(path="/a"), data(record(3, [3]), path="/b")])
    assert identity(moved) == union
    changed = [
        join([first, data(record(4, [3]))]),
        join([first, data(record(3, [1]))]),
        join([data(record(3, [3])), first]),
        join([first, data(record(3, [3]))], (1, 2)),
    ]
    assert len({identity(other)["sha256"] for other in changed}) == 4
    assert union["sha256"] not in {identity(other)["sha256"] for other in changed}


def test_a_setting_that_the_run_did_not_know_has_its_default(tmp_path):
    started(tmp_path)
    path = tmp_path / "config.json"
    written = json.loads(path.read_text())
    del written["data"]["classes"], written["data"]["merge"]
    path.write_text(json.dumps(written))
    config = fake_config(tmp_path)
    assert RunFolder(config, CLASSES).open(resume=True) == []
    path.write_text(json.dumps(written))
    config.data.classes = ("round",)
    with pytest.raises(RunFolderError, match="data.classes"):
        RunFolder(config, CLASSES).open(resume=True)


def run_on(tmp_path, dataset):
    """A folder with a run on a data set in it."""
    config = fake_config(tmp_path)
    config.data.train = dataset.path
    folder = RunFolder(config, CLASSES, data=identity(dataset))
    folder.open(resume=False)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-3.index").write_bytes(b"")


def resume_on(tmp_path, dataset):
    config = fake_config(tmp_path)
    config.data.train = dataset.path
    return RunFolder(config, CLASSES, data=identity(dataset)).open(resume=True)


def test_run_is_resumed_with_its_data_from_another_place(tmp_path):
    run_on(tmp_path, data())
    assert resume_on(tmp_path, data(path="/moved")) == [
        "data.train: '/data' -> '/moved'"
    ]


def test_run_is_not_resumed_with_other_data_in_the_same_place(tmp_path):
    run_on(tmp_path, data())
    with pytest.raises(RunFolderError, match="2 images with 3 .* 1 images with 2 "):
        resume_on(tmp_path, data(record(1, [1, 2])))
    with pytest.raises(RunFolderError, match="same counts"):
        resume_on(tmp_path, data(record(1, [1, 2]), record(2, [2])))


def test_run_that_did_not_write_its_data_down_goes_by_the_path(tmp_path):
    run_on(tmp_path, data())
    (tmp_path / "data.json").unlink()
    with pytest.raises(RunFolderError, match="data.train"):
        resume_on(tmp_path, data(path="/moved"))
    assert resume_on(tmp_path, data()) == []
    assert (tmp_path / "data.json").exists()
