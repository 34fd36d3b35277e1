"""Commands that run a model, end to end."""

import json

import numpy as np
import pytest

from tfmask.cli import main
from tfmask.cli.settings import read_config
from tfmask.config import to_dict
from tfmask.data.synthetic.generate import CATEGORY_IDS, CLASSES, write_dataset
from tfmask.structures import ClassMap

RECIPE = "demo/shapes"
SMALL = [
    "model.backbone.norm=bn",
    "model.neck.norm=none",
    "model.backbone.width=8",
    "model.neck.channels=8",
    "model.rpn.channels=8",
    "model.mask.head.channels=8",
    "model.boxes.head.fc_units=8",
    "data.eval_short_side=64",
    "data.eval_max_side=96",
    "model.postprocess.score_threshold=0",
    "model.postprocess.max_detections=5",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weight file of a tiny random model that knows the classes of the shapes."""
    from tfmask.models.build import build_model
    from tfmask.weights import files as weight_files

    config = read_config(RECIPE, [*SMALL, f"model.num_classes={len(CLASSES)}"])
    path = tmp_path_factory.mktemp("weights") / "tiny.tfmask.h5"
    classes = ClassMap(CATEGORY_IDS, CLASSES)
    model = build_model(config.model)
    weight_files.write(
        path, weight_files.model_weights(model), classes, to_dict(config)
    )
    return str(path)


def test_evaluate_writes_results_with_the_ids_of_the_data(weights, tmp_path, capsys):
    write_dataset(tmp_path, 2, seed=3, size=64)
    results, metrics = tmp_path / "results.json", tmp_path / "metrics.json"
    arguments = ["evaluate", RECIPE, f"data.val={tmp_path}", *SMALL, "--load", weights]
    arguments += ["--results", str(results), "--metrics", str(metrics)]
    assert main(arguments) == 0
    assert "mask" in capsys.readouterr().out
    found = json.loads(results.read_text())
    assert {r["image_id"] for r in found} <= {1, 2}
    assert {r["category_id"] for r in found} <= set(CATEGORY_IDS)
    assert "mask/AP" in json.loads(metrics.read_text())["figures"]


def test_evaluate_matches_classes_by_name(weights, tmp_path, capsys):
    path = write_dataset(tmp_path, 2, seed=3, size=64)
    content = json.loads(path.read_text())
    ids = {key: 1000 - key for key in CATEGORY_IDS}
    for category in content["categories"]:
        category["id"] = ids[category["id"]]
    for annotation in content["annotations"]:
        annotation["category_id"] = ids[annotation["category_id"]]
    content["categories"][0]["name"] = "moon"
    path.write_text(json.dumps(content))
    results, metrics = tmp_path / "results.json", tmp_path / "metrics.json"
    arguments = ["evaluate", RECIPE, f"data.val={tmp_path}", *SMALL, "--load", weights]
    arguments += ["--results", str(results), "--metrics", str(metrics)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "moon: not among the model's classes, " in said
    assert f"{CLASSES[0]}: classes of the model that are not in it" in said
    found = {r["category_id"] for r in json.loads(results.read_text())}
    # The model's first class has no place in the data, and not its id there either.
    assert found <= {*list(ids.values())[1:], CATEGORY_IDS[0]}
    for category in content["categories"]:
        category["name"] += "!"
    path.write_text(json.dumps(content))
    assert main(arguments) == 1
    assert "no name in common" in capsys.readouterr().err


def test_predict_writes_an_overlay_for_every_image(weights, tmp_path):
    write_dataset(tmp_path / "data", 2, seed=3, size=64)
    arguments = ["predict", RECIPE, str(tmp_path / "data" / "images")]
    # Settings may stand among the images, behind --set, and at the end.
    arguments += [*SMALL[:4], "--load", weights, "--out", str(tmp_path / "out")]
    for setting in SMALL[4:8]:
        arguments += ["--set", setting]
    assert main([*arguments, "--json", *SMALL[8:]]) == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["00001.png", "00002.png", "classes.json", "results.json"]
    known = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert known == {"ids": list(CATEGORY_IDS), "names": list(CLASSES)}


def test_predict_takes_a_word_with_an_equals_sign_for_a_setting(tmp_path, capsys):
    arguments = ["predict", RECIPE, "--load", "x", "--out", str(tmp_path / "out")]
    assert main([*arguments, "a.png", "data.falsch=1"]) == 2
    assert "data.falsch: no such setting" in capsys.readouterr().err
    assert main([*arguments, "data.exif=ignore"]) == 2
    assert "IMAGE: expected images" in capsys.readouterr().err


def test_predict_fails_when_an_image_does(weights, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(np.arange(10, dtype=np.uint8).tobytes())
    arguments = ["predict", RECIPE, str(tmp_path / "bad.png"), "--load", weights]
    arguments += ["--out", str(tmp_path / "out")]
    for setting in SMALL:
        arguments += ["--set", setting]
    assert main(arguments) == 1
    assert "bad.png" in capsys.readouterr().out


def test_unreadable_weights_are_one_line(tmp_path, capsys):
    write_dataset(tmp_path, 1, size=64)
    bad = tmp_path / "bad.tfmask.h5"
    bad.write_bytes(b"not a weight file")
    arguments = ["evaluate", RECIPE, f"data.val={tmp_path}", "--load", str(bad)]
    assert main([*arguments, *SMALL]) == 1
    said = capsys.readouterr().err
    assert "bad.tfmask.h5" in said.splitlines()[-1]
    assert "Traceback" not in said


def predict_arguments(weights, folder, *options, settings=SMALL):
    arguments = ["predict", RECIPE, str(folder / "data" / "images"), "--load", weights]
    arguments += ["--out", str(folder / "out"), "--threshold", "0", *options]
    for setting in settings:
        arguments += ["--set", setting]
    return arguments


def test_predict_says_when_the_model_has_no_boundaries_to_show(
    weights, tmp_path, capsys
):
    write_dataset(tmp_path / "data", 1, seed=3, size=64)
    assert main(predict_arguments(weights, tmp_path)) == 0
    assert "boundaries" not in capsys.readouterr().out
    plain = (tmp_path / "out" / "00001.png").read_bytes()
    assert main(predict_arguments(weights, tmp_path, "--show", "boundary")) == 0
    said = [x for x in capsys.readouterr().out.splitlines() if "--show boundary" in x]
    assert said == [
        "--show boundary: this model predicts no boundaries; only masks are drawn"
    ]
    assert (tmp_path / "out" / "00001.png").read_bytes() == plain


def test_predict_shows_boundaries(tmp_path, capsys):
    from tfmask.models.build import build_model
    from tfmask.weights import files as weight_files

    settings = ["model.mask.head=boundary_preserving", *SMALL]
    config = read_config(RECIPE, [*settings, f"model.num_classes={len(CLASSES)}"])
    model = build_model(config.model)
    predictor = model.masks.head.boundary_predictor
    predictor.bias.assign(np.full(predictor.bias.shape, 9.0))  # boundary everywhere
    path = str(tmp_path / "bmask.tfmask.h5")
    classes = ClassMap(CATEGORY_IDS, CLASSES)
    weight_files.write(path, weight_files.model_weights(model), classes, None)
    write_dataset(tmp_path / "data", 1, seed=3, size=64)
    pictures = []
    for options in ([], ["--show", "boundary"]):
        assert main(predict_arguments(path, tmp_path, *options, settings=settings)) == 0
        pictures.append((tmp_path / "out" / "00001.png").read_bytes())
    assert pictures[0] != pictures[1]
    assert "no boundaries" not in capsys.readouterr().out


def image_list(tmp_path, **changes):
    """A data set of shapes and a list of its images in the form of COCO's test sets."""
    path = write_dataset(tmp_path / "test", 3, seed=3, size=64)
    content = json.loads(path.read_text())
    for index, record in enumerate(content["images"]):
        record["id"] = 500 + index
    names = {"images": content["images"], "categories": content["categories"]}
    listed = tmp_path / "image_info_test-dev2017.json"
    listed.write_text(json.dumps(names | changes))
    return str(listed), f"data.val_images={tmp_path / 'test' / 'images'}"


def test_an_image_list_gives_the_results_file_of_a_test_server(
    weights, tmp_path, monkeypatch, capsys
):
    listed, images = image_list(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", RECIPE, images, *SMALL, "--load", weights]
    assert main([*arguments, "--images", listed, "--algorithm", "mine"]) == 0
    found = json.loads(
        (tmp_path / "detections_test-dev2017_mine_results.json").read_text()
    )
    assert {r["image_id"] for r in found} == {500, 501, 502}
    for result in found:
        fields = {"image_id", "category_id", "segmentation", "score", "bbox"}
        assert set(result) == fields and result["category_id"] in CATEGORY_IDS
        assert len(result["segmentation"]["size"]) == 2
        assert isinstance(result["segmentation"]["counts"], str)
    assert "of 3 images" in capsys.readouterr().out


def test_an_image_that_is_not_there_is_named_and_ends_non_zero(
    weights, tmp_path, capsys
):
    listed, images = image_list(tmp_path)
    (tmp_path / "test" / "images" / "00002.jpg").unlink()
    output = tmp_path / "r.json"
    arguments = ["evaluate", RECIPE, images, *SMALL, "--load", weights]
    assert main([*arguments, "--images", listed, "--results", str(output)]) == 1
    said = capsys.readouterr().out
    assert "00002.jpg" in said and "1 images of" in said
    assert {r["image_id"] for r in json.loads(output.read_text())} == {500, 502}


def test_an_image_list_of_other_categories_is_refused(weights, tmp_path, capsys):
    listed, images = image_list(tmp_path, categories=[{"id": 1, "name": "moon"}])
    arguments = ["evaluate", RECIPE, images, *SMALL, "--load", weights]
    assert main([*arguments, "--images", listed]) == 1
    assert "calls it 'moon'" in capsys.readouterr().err


def test_predict_takes_an_image_list_and_writes_its_ids(weights, tmp_path):
    write_dataset(tmp_path / "data", 2, seed=3, size=64)
    arguments = ["predict", RECIPE, str(tmp_path / "data" / "annotations.json")]
    arguments += ["--load", weights, "--out", str(tmp_path / "out"), "--json"]
    for setting in SMALL:
        arguments += ["--set", setting]
    assert main(arguments) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {r["image_id"] for r in found} == {1, 2}


def test_the_results_of_a_model_that_rates_masks_are_ranked_by_that():
    from tfmask.cli.test_server import _for_server

    given = [{"image_id": 1, "score": 0.9, "mask_score": 0.4}, {"score": 0.5}]
    assert _for_server(given) == [{"image_id": 1, "score": 0.4}, {"score": 0.5}]


def test_predict_cuts_large_images_into_tiles(weights, tmp_path):
    """More detections than the model gives for one image: 5 of each tile."""
    write_dataset(tmp_path / "data", 1, seed=3, size=128)
    options = ["--json", "--tile", "64", "--overlap", "16"]
    assert main(predict_arguments(weights, tmp_path, *options)) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results) > 5
    image = json.loads((tmp_path / "data" / "annotations.json").read_text())["images"][
        0
    ]
    size = [image["height"], image["width"]]
    assert all(r["segmentation"]["size"] == size for r in results)


def test_evaluate_sees_images_in_several_views(weights, tmp_path, capsys):
    write_dataset(tmp_path, 2, seed=3, size=64)
    figures = []
    for settings in ([], ["evaluation.flip=true", "evaluation.scales=1,1.5"]):
        out = tmp_path / "results.json"
        argv = ["evaluate", RECIPE, f"data.val={tmp_path}", *SMALL, "--load", weights]
        table = tmp_path / "classes.csv"
        argv += ["--csv", str(table), "--per-class", "--results", str(out)]
        assert main([*argv, *settings]) == 0
        figures.append(json.loads(out.read_text()))
    assert figures[0] != figures[1]
    lines = table.read_text().splitlines()
    assert lines[0].startswith("id,name,instances,box/AP,") and len(lines) == 5
    assert [line.split(",")[1] for line in lines[1:]] == list(CLASSES)
    capsys.readouterr()


def test_an_overlap_as_large_as_the_tile_is_refused(weights, tmp_path, capsys):
    arguments = predict_arguments(weights, tmp_path, "--tile", "64")
    assert main(arguments) == 2
    assert "evaluation.overlap=128 with evaluation.tile=64" in capsys.readouterr().err
