"""`tfmask convert-dataset`: any format that can be read, as COCO JSON."""

import json

import pytest

from tfmask.cli import main
from tfmask.data.convert.convert import convert_dataset
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    write_dataset(tmp_path / "set", 3, seed=0)
    return tmp_path / "set"


def spoil(folder):
    path = folder / "annotations.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["annotations"][0]["segmentation"] = []
    path.write_text(json.dumps(content), encoding="utf-8")


def test_the_output_holds_what_the_source_holds(folder, tmp_path, capsys):
    output = tmp_path / "other" / "copy.json"
    assert main(["convert-dataset", "coco", str(folder), "--output", str(output)]) == 0
    before = load_dataset(str(folder), log=None)
    after = load_dataset(str(output), str(folder / "images"), log=None)
    assert before.to_coco() == after.to_coco() and before.num_annotations > 3
    said = capsys.readouterr().out
    assert f"data.train={output} data.train_images={folder}/images" in said


def test_faulty_records_are_named_and_left_out(folder, tmp_path):
    spoil(folder)
    lines = []
    problems = convert_dataset(
        "coco", str(folder), str(tmp_path / "out.json"), log=lines.append
    )
    assert [p.severity for p in problems] == ["error"]
    assert "image 1 annotation 1" in lines[0] and len(lines) == 2
    kept = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    before = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    assert len(kept["annotations"]) == len(before["annotations"]) - 1


def test_strict_writes_nothing(folder, tmp_path):
    spoil(folder)
    output = tmp_path / "out.json"
    with pytest.raises(DataError, match="1 errors, so that nothing is written"):
        convert_dataset("coco", str(folder), str(output), strict=True, log=None)
    assert not output.exists()


def test_the_source_is_never_overwritten(folder):
    path = folder / "annotations.json"
    before = path.read_bytes()
    for source in (folder, path):
        with pytest.raises(ConfigError, match="expected another output"):
            convert_dataset("coco", str(source), str(path), log=None)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cocoa", "x"], "cocoa: no such format of data sets; known: coco"),
        (["coco", "x", "--to", "cocoa"], "--to cocoa: expected one of coco"),
    ],
)
def test_unknown_words_are_refused(arguments, said, capsys):
    assert main(["convert-dataset", *arguments, "--output", "y"]) == 2
    assert said in capsys.readouterr().err
