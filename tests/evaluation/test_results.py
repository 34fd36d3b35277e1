"""Malformed results are refused with one sentence; files are written whole."""

import errno
import io
import json
import os

import numpy as np
import pytest
from coco_sets import encode

from tfmask.errors import EvaluationError
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.results import (
    ResultsFile,
    checked_results,
    read_results,
    write_results,
)

SIZES = {1: (8, 9), "a": (8, 9)}
CODE = encode(np.eye(8, 9, dtype=bool))


def result(**changes):
    good = {
        "image_id": 1,
        "category_id": 3,
        "bbox": [1, 2, 3, 4],
        "score": 0.5,
        "segmentation": CODE,
    }
    return {k: v for k, v in {**good, **changes}.items() if v is not ...}


def test_good_results_pass_and_numpy_numbers_become_plain():
    checked = checked_results(
        [
            result(score=np.float32(0.25), bbox=np.array([1.0, 2, 3, 4])),
            result(image_id="a", segmentation=...),
            result(bbox=..., mask_score=np.float32(0.125)),
        ],
        SIZES,
        {3},
    )
    assert checked[0]["score"] == 0.25 and checked[0]["bbox"] == [1, 2, 3, 4]
    assert "mask_score" not in checked[0] and checked[2]["mask_score"] == 0.125
    assert json.loads(json.dumps(checked)) == checked


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"score": float("nan")}, "score"),
        ({"score": float("inf")}, "score"),
        ({"score": "0.5"}, "score"),
        ({"score": ...}, "score"),
        ({"mask_score": float("nan")}, "mask_score"),
        ({"mask_score": "0.5"}, "mask_score"),
        ({"bbox": [0, 0, float("nan"), 1]}, "bbox"),
        ({"bbox": [0, 0, 1]}, "bbox"),
        ({"bbox": [0, 0, -1, 5]}, "bbox"),
        ({"bbox": 7}, "bbox"),
        ({"bbox": [0, 0, "1", 1]}, "bbox"),
        ({"image_id": 2}, "image_id"),
        ({"image_id": ...}, "image_id"),
        ({"image_id": [1]}, "image_id"),
        ({"image_id": True}, "image_id"),
        ({"category_id": 4}, "category_id"),
        ({"category_id": None}, "category_id"),
        ({"segmentation": [[0, 0, 4, 0, 4, 4]]}, "segmentation"),
        ({"segmentation": {"size": [9, 8], "counts": CODE["counts"]}}, "size"),
        ({"segmentation": {"size": [8, 9], "counts": "5"}}, "segmentation"),
        ({"bbox": ..., "segmentation": ...}, "neither"),
    ],
)
def test_a_malformed_result_is_named(change, word):
    with pytest.raises(EvaluationError, match=rf"^result 1 \(image .*{word}"):
        checked_results([result(), result(**change)], SIZES, {3})


def test_something_else_than_an_object_is_named():
    with pytest.raises(EvaluationError, match="result 0"):
        checked_results([7], SIZES, {3})


def test_evaluation_refuses_results_that_are_not_finite():
    truth = {
        "images": [{"id": 1, "height": 8, "width": 9}],
        "categories": [{"id": 3, "name": "x"}],
        "annotations": [],
    }
    with pytest.raises(EvaluationError, match="finite"):
        evaluate(truth, [result(score=float("nan"))])


def test_results_round_trip_through_a_file(tmp_path):
    path = tmp_path / "new" / "results.json"
    write_results(path, [result()])
    assert read_results(path) == [result()]
    assert os.listdir(path.parent) == ["results.json"]


def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_results(path, [result()])

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_results(path, [])
    assert read_results(path) == [result()]
    assert os.listdir(tmp_path) == ["results.json"]


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(EvaluationError, match="results.json"):
        write_results(path, [result(score=float("nan"))])
    assert not path.exists()


@pytest.mark.parametrize("content", ["{}", "[1,", ""])
def test_unusable_files_are_named(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(EvaluationError, match="results.json"):
        read_results(path)


def test_a_growing_file_is_whole_json_after_every_step(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("what was there before")
    with ResultsFile(path) as file:
        assert json.loads(path.read_text()) == []
        for count in (2, 0, 1):
            file.add([{"image_id": "ä", "score": 0.5}] * count)
            assert len(json.loads(path.read_text())) == file.count
    assert read_results(path) == [{"image_id": "ä", "score": 0.5}] * 3


def test_a_number_that_is_not_finite_leaves_the_growing_file_as_it_was(tmp_path):
    with ResultsFile(tmp_path / "r.json") as file:
        file.add([{"score": 1.0}])
        with pytest.raises(EvaluationError, match="r.json: results not written"):
            file.add([{"score": 2.0}, {"score": float("nan")}])
    assert read_results(tmp_path / "r.json") == [{"score": 1.0}]


class FullDisk(io.FileIO):
    """A file on a disk that has room for `room` more bytes."""

    room = 5

    def write(self, data) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        return super().write(taken)

    def truncate(self, size=None) -> int:
        self.room += os.path.getsize(self.name) - size
        return super().truncate(size)


def test_a_full_disk_leaves_the_growing_file_whole(tmp_path):
    path = tmp_path / "r.json"
    with ResultsFile(path) as file:
        file.add([{"score": 1.0}])
        file._file.close()
        file._file = FullDisk(path, "rb+")
        with pytest.raises(OSError, match="No space"):
            file.add([{"score": 2.0}])
    assert file.count == 1
    assert read_results(path) == [{"score": 1.0}]
