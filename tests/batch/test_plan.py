import json

import pytest

pytest.importorskip(
    "apache_beam", reason="apache-beam is not installed: pip install tfmask[beam]"
)

from tfmask.batch.plan import is_record, make_plan, write_file
from tfmask.errors import ExportError


def files(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder / "*")


def plan_of(tmp_path, pattern, size=2, model="models/1"):
    return make_plan(model, pattern, str(tmp_path / "out"), size)


def test_files_are_shared_out_in_order(tmp_path):
    pattern = files(tmp_path / "in", *(f"{i}.jpg" for i in (4, 0, 3, 1, 2)))
    plan = plan_of(tmp_path, pattern)
    assert [s.name for s in plan.shards] == [f"0000{i}-of-00003" for i in range(3)]
    names = [[p.rsplit("/", 1)[1] for p in s.sources] for s in plan.shards]
    assert names == [["0.jpg", "1.jpg"], ["2.jpg", "3.jpg"], ["4.jpg"]]
    assert not plan.shards[0].has_records


def test_shards_with_results_are_left_out(tmp_path):
    pattern = files(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    plan = plan_of(tmp_path, pattern)
    write_file(plan.results("00000-of-00002"), b"[]")
    again = plan_of(tmp_path, pattern)
    assert [s.name for s in again.remaining()] == ["00001-of-00002"]
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.parametrize("change", ["model", "files", "size"])
def test_another_job_in_the_same_folder_is_refused(tmp_path, change):
    pattern = files(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    plan_of(tmp_path, pattern)
    before = (tmp_path / "out" / "plan.json").read_text()
    options = {"model": {"model": "models/2"}, "size": {"size": 3}}.get(change, {})
    if change == "files":
        files(tmp_path / "in", "d.jpg")
    with pytest.raises(ExportError, match="expected the same job"):
        plan_of(tmp_path, pattern, **options)
    assert (tmp_path / "out" / "plan.json").read_text() == before
    assert json.loads(before)["files"] == 3


def test_a_record_file_is_a_shard(tmp_path):
    pattern = files(tmp_path / "in", "x.tfrecord-00000-of-00002", "y.record")
    plan = plan_of(tmp_path, pattern, size=5)
    assert [len(s.sources) for s in plan.shards] == [1, 1]
    assert all(s.has_records for s in plan.shards)
    assert not is_record("records/a.jpg")


def test_nothing_and_both_kinds_are_refused(tmp_path):
    with pytest.raises(ExportError, match="no file fits"):
        plan_of(tmp_path, str(tmp_path / "none" / "*.jpg"))
    pattern = files(tmp_path / "in", "a.jpg", "b.tfrecord")
    with pytest.raises(ExportError, match="one kind"):
        plan_of(tmp_path, pattern)
