"""`predict_folder` on good and bad inputs."""

import json
import os
import types

import cv2
import numpy as np
import pytest
from coco_sets import encode

from tfmask.config import DataConfig
from tfmask.evaluation.folder import list_images, overlay_paths, predict_folder
from tfmask.evaluation.prediction import Prediction
from tfmask.structures import ClassMap

CLASSES = ClassMap((90,), ("nut",))


def predictor(score=0.9, mask_score=None):
    """Finds one thing, everywhere, with the same score."""

    def predict(images):
        found = []
        for image in images:
            mask = np.zeros(image.shape[:2], bool)
            mask[2:8, 3:9] = True
            found.append(
                Prediction(
                    np.float32([[3, 2, 9, 8]]),
                    np.float32([score]),
                    np.int32([1]),
                    [encode(mask)],
                    mask.shape,
                    mask_scores=None if mask_score is None else np.array([mask_score]),
                )
            )
        return found

    return types.SimpleNamespace(
        predict=predict, data_config=DataConfig(), class_map=CLASSES
    )


def write(path, shape=(20, 30, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(shape, 60, np.uint8))
    return path


def test_overlays_are_written_for_folders_and_files(tmp_path):
    write(tmp_path / "in" / "b.jpg")
    write(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    single = write(tmp_path / "c.bmp")
    lines = []
    failures = predict_folder(
        predictor(), [tmp_path / "in", single], tmp_path / "out", log=lines.append
    )
    assert failures == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a.png", "b.png", "c.png"]
    picture = cv2.imread(str(tmp_path / "out" / "a.png"))
    assert picture.shape[1] == 30 * 4 and picture.shape[0] > 20 * 4
    assert sum("1 detection above 0.5" in line for line in lines) == 3


def test_json_holds_all_detections_whatever_their_score(tmp_path):
    file = write(tmp_path / "a.png")
    predict_folder(
        predictor(0.2), [file], tmp_path / "out", write_json=True, log=lambda _: None
    )
    (result,) = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["image_id"] == str(file) and result["category_id"] == 90
    assert result["bbox"] == [3, 2, 6, 6] and result["score"] == pytest.approx(0.2)
    assert result["segmentation"]["size"] == [20, 30]


def test_json_has_the_mask_score_beside_the_score(tmp_path):
    file = write(tmp_path / "a.png")
    lines = []
    predict_folder(
        predictor(0.8, 0.3),
        [file],
        tmp_path / "out",
        write_json=True,
        log=lines.append,
    )
    (result,) = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["score"] == pytest.approx(0.8) and result["mask_score"] == 0.3
    assert "1 detection above 0.5" in lines[0]


def test_nothing_above_the_threshold_is_said_with_the_best_score(tmp_path):
    lines = []
    file = write(tmp_path / "a.png")
    assert (
        predict_folder(predictor(0.03), [file], tmp_path / "o", log=lines.append) == 0
    )
    assert "no detections above 0.5 (best score 0.03)" in lines[0]
    assert "Nothing above 0.5 in 1 images: the best score was 0.03." in lines
    assert (tmp_path / "o" / "a.png").exists()


def test_bad_inputs_are_named_and_counted_and_the_rest_is_done(tmp_path):
    good = write(tmp_path / "good.png")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (tmp_path / "empty").mkdir()
    lines = []
    failures = predict_folder(
        predictor(),
        [broken, tmp_path / "absent.png", tmp_path / "empty", good],
        tmp_path / "out",
        log=lines.append,
    )
    assert failures == 3
    for name in ("broken.jpg", "absent.png", "empty"):
        assert sum(name in line for line in lines) == 1
    assert (tmp_path / "out" / "good.png").exists()
    assert lines[-1] == "1 images done, 3 failed."


def test_names_do_not_collide_and_inputs_are_never_overwritten(tmp_path):
    files = [
        write(tmp_path / "x" / "a.png"),
        write(tmp_path / "x" / "A.jpg"),
        write(tmp_path / "y" / "a.png"),
        write(tmp_path / "y" / "a.bmp"),
    ]
    before = [f.read_bytes() for f in files]
    targets = overlay_paths(files, tmp_path / "x")
    assert len({str(t).lower() for t in targets}) == 4
    assert not set(targets) & set(files)
    assert predict_folder(predictor(), files, tmp_path / "x", log=lambda _: None) == 0
    assert [f.read_bytes() for f in files] == before
    assert all(t.exists() for t in targets)


def test_a_file_named_twice_comes_once(tmp_path):
    file = write(tmp_path / "a.png")
    assert list_images([file, str(file), tmp_path]) == ([file], [])


def test_sub_folders_are_taken_and_hidden_files_are_not(tmp_path):
    days = tmp_path / "days"
    files = [write(days / "monday" / "im.png"), write(days / "tuesday" / "im.png")]
    (days / ".cache").mkdir()
    for hidden in (days / "monday" / "._im.png", days / ".cache" / "a.png"):
        hidden.write_bytes(b"\0\5\x16\7")
    assert list_images([days]) == (files, [])
    targets = overlay_paths(files, tmp_path / "out")
    assert [t.name for t in targets] == ["im.png", "tuesday_im.png"]


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".Jpg", ".dib", ".apng"])
def test_less_usual_suffixes_are_known(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    path.touch()
    assert list_images([tmp_path]) == ([path], [])


def test_overlays_of_an_earlier_call_are_no_inputs(tmp_path):
    file = write(tmp_path / "a.png")
    for _ in range(2):
        lines = []
        out = tmp_path / "out"
        assert predict_folder(predictor(), [tmp_path], out, log=lines.append) == 0
        assert lines[-1] == "1 images done, 0 failed."
    assert list_images([out])[0] == [out / "a.png"] != [file]


def test_names_that_are_no_text_are_predicted_on(tmp_path):
    """Bytes that are not UTF-8 are in names from old archives."""
    file = write(tmp_path / "a.png")
    os.rename(os.fsencode(file), os.fsencode(tmp_path) + b"/stra\xdfe.png")
    write(tmp_path / "z.png")
    out = tmp_path / "out"
    assert predict_folder(predictor(), [tmp_path], out, write_json=True) == 0
    results = json.loads((out / "results.json").read_text())
    assert len(results) == 2 and len(list(out.iterdir())) == 4


def test_a_prediction_that_is_stopped_keeps_what_was_done(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.png")
    stand_in = predictor()
    plain, calls = stand_in.predict, []

    def predict(images):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(images)

    stand_in.predict = predict
    with pytest.raises(KeyboardInterrupt):
        predict_folder(
            stand_in, [tmp_path], tmp_path / "o", write_json=True, log=lambda _: None
        )
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert [r["image_id"][-5:] for r in results] == ["a.png", "b.png"]


def test_an_image_that_comes_out_nearly_black_is_said(tmp_path):
    cv2.imwrite(str(tmp_path / "dark.png"), np.full((20, 30), 4000, np.uint16))
    lines = []
    assert (
        predict_folder(predictor(), [tmp_path], tmp_path / "o", log=lines.append) == 0
    )
    assert "dark.png: its 16-bit samples go up to 4000 of 65535" in lines[0]


def test_ids_of_an_annotation_file_stand_where_it_lies_or_is_named(tmp_path):
    folder = tmp_path / "set"
    for name in ("a.png", "b.png", "c.png"):
        write(folder / "images" / name)
    listed = [{"id": 11, "file_name": "a.png"}, {"id": "x", "file_name": "b.png"}]
    content = {"images": listed, "annotations": [], "categories": []}
    (folder / "annotations.json").write_text(json.dumps(content))

    def found(inputs):
        predict_folder(predictor(), inputs, tmp_path / "out", 0.5, True, lambda _: None)
        return [
            r["image_id"]
            for r in json.loads((tmp_path / "out/results.json").read_text())
        ]

    assert found([folder / "annotations.json"]) == [11, "x"]
    assert found([folder]) == [11, "x", str(folder / "images" / "c.png")]
    assert found([folder / "images" / "a.png"]) == [str(folder / "images" / "a.png")]


def test_a_json_that_lists_no_images_is_a_fault(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    files, (fault,) = list_images([tmp_path / "x.json"])
    assert files == [] and "x.json" in fault
