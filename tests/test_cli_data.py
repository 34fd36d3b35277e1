"""`tfmask validate` on data that can be used or not, and streams of any encoding."""

import io
import json
import os
import subprocess
import sys

import pytest

from tfmask.cli import main
from tfmask.cli.startup import escape_what_streams_cannot_encode
from tfmask.data.synthetic.generate import write_dataset


@pytest.fixture
def folder(tmp_path):
    """A data set, and a function that changes its annotations."""
    write_dataset(tmp_path / "set", 2, seed=0)
    path = tmp_path / "set" / "annotations.json"

    def change(spoil) -> str:
        content = json.loads(path.read_text(encoding="utf-8"))
        spoil(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path.parent)

    return change


def nothing(content):
    pass


def all_crowd(content):
    for record in content["annotations"]:
        record["iscrowd"] = 1


def one_without_outline(content):
    content["annotations"][0]["segmentation"] = []


def no_categories(content):
    content["categories"] = []


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (nothing, 0, "0 errors, 0 warnings"),
        (one_without_outline, 0, "1 errors (left out in training), 0 warnings"),
        (all_crowd, 1, "cannot be trained on: there is not one object to train on"),
        (no_categories, 1, "cannot be trained on: nothing of it can be used"),
    ],
)
def test_validate_ends_non_zero_where_nothing_can_be_used(
    spoil, code, said, folder, capsys
):
    assert main(["validate", folder(spoil)]) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert said in last and ("left out in training" in last) == (
        spoil is one_without_outline
    )


def test_validate_strict_ends_non_zero_for_any_error(folder):
    assert main(["validate", folder(one_without_outline), "--strict"]) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_letter_and_no_byte_ends_a_command(encoding, folder, tmp_path):
    def rename(content):
        content["images"][0]["file_name"] = "\u82f9\u679c.png"
        content["categories"][0]["name"] = content["categories"][1]["name"] = "Ж\u82f9"

    path = folder(rename)
    named = os.fsencode(tmp_path) + b"/stra\xdfe"  # no UTF-8
    os.rename(path, named)
    done = subprocess.run(
        [sys.executable, "-m", "tfmask", "validate", named],
        capture_output=True,
        env=os.environ
        | {
            "PYTHONIOENCODING": encoding,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert "category_duplicate_name" in text and "image_missing" in text
    assert ("\\u82f9" in text) == (encoding != "utf-8")


def test_streams_that_cannot_be_set_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    escape_what_streams_cannot_encode()
    print("\u82f9\udcdf")
    assert sys.stdout.getvalue() == "\u82f9\udcdf\n"


def test_validate_prints_statistics_and_data(folder, capsys):
    path = folder(nothing)
    assert main(["validate", path, "--stats"]) == 0
    said = capsys.readouterr().out
    assert "2 images" in said and "boxes with an IoU above" in said
    assert main(["validate", path, "--stats", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["problems"] == [] and value["unusable"] == ""
    assert value["statistics"]["images"] == 2
    assert main(["validate", folder(no_categories), "--stats", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["statistics"] is None and value["problems"][0]["severity"] == "error"
