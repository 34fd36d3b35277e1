"""The commands of docs/data.md on small trees in the layout of Cityscapes and of LVIS:
a step of training, an evaluation and a prediction with a recipe of each.
"""

import json

import numpy as np
import pytest

from tfmask.cli import main
from tfmask.data.synthetic.cityscapes import write_cityscapes
from tfmask.data.synthetic.lvis import write_lvis

SMALL = [
    "model.backbone.width=32",
    "model.backbone.depth=26",
    "model.neck.channels=32",
    "model.rpn.channels=32",
    "model.rpn.post_nms_test=20",
    "model.mask.head.channels=32",
    "model.boxes.head.fc_units=8",
    "model.postprocess.score_threshold=0",
    "model.postprocess.max_detections=6",
    "data.short_side=64",
    "data.max_side=96",
    "data.eval_short_side=64",
    "data.eval_max_side=96",
    "train.steps=1",
    "train.batch_size=2",
    "train.random_trunk=true",
    "train.tensorboard=false",
]


def run(*arguments) -> None:
    assert main([str(a) for a in arguments]) == 0


@pytest.mark.slow
def test_cityscapes_is_trained_on_evaluated_and_written_for_its_server(
    tmp_path, capsys
):
    for split, seed in (("train", 0), ("val", 1)):
        write_cityscapes(tmp_path, split, 4, seed=seed, size=96)
    data = [f"data.{s}={tmp_path}/gtFine/{s}" for s in ("train", "val")]
    recipe = "bmask_rcnn/cityscapes"
    run("train", recipe, *data, *SMALL, "--output", tmp_path / "run")
    # A model of random weights may find nothing; the files are there all the same.
    assert isinstance(json.loads((tmp_path / "run/results.json").read_text()), list)
    config = tmp_path / "run/config.json"
    run(
        *("evaluate", config, "--load", tmp_path / "run"),
        *("--metrics", tmp_path / "m.json", "--cityscapes", tmp_path / "server"),
    )
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert metrics["metric"] == "cityscapes"
    assert 0 <= metrics["figures"]["mask/AP"] < 0.5
    texts = sorted(p.name for p in (tmp_path / "server").glob("*.txt"))
    assert texts[0] == "aachen-west_000001_000019.txt" and len(texts) == 4
    images = tmp_path / "leftImg8bit/val"
    run(
        *("predict", config, images, "--load", tmp_path / "run"),
        *("--out", tmp_path / "drawn", "--cityscapes", tmp_path / "again"),
    )
    for name in texts:
        lines = (tmp_path / "server" / name).read_text().split()
        again = (tmp_path / "again" / name).read_text().split()
        assert lines[1::3] == again[1::3]
        np.testing.assert_allclose(
            np.array(lines[2::3], float), np.array(again[2::3], float), atol=1e-4
        )
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 4
    assert "Cityscapes" in capsys.readouterr().out


@pytest.mark.slow
def test_lvis_is_trained_on_and_evaluated(tmp_path, capsys):
    for split, seed in (("train", 0), ("val", 1)):
        write_lvis(tmp_path / split, 4, seed=seed, size=96, num_classes=1203)
    data = [f"data.{split}={tmp_path}/{split}" for split in ("train", "val")]
    recipe = "iemask_rcnn/lvis_mask_rcnn_r50"
    run("train", recipe, *data, *SMALL, "--output", tmp_path / "run")
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["model"]["num_classes"] == 1203
    assert config["data"]["repeat_threshold"] == 0.001
    run(
        *("evaluate", tmp_path / "run/config.json", "--load", tmp_path / "run"),
        *("--metrics", tmp_path / "m.json"),
    )
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert metrics["metric"] == "lvis" and len(metrics["per_class"]) == 1203
    assert {"mask/APr", "boundary/APf", "mask/AR300"} <= metrics["figures"].keys()
    run(
        *("predict", tmp_path / "run/config.json", tmp_path / "val/images"),
        *("--load", tmp_path / "run", "--out", tmp_path / "drawn", "--json"),
    )
    results = json.loads((tmp_path / "drawn/results.json").read_text())
    assert {r["category_id"] for r in results} <= set(range(1, 1204))
    assert "rare" in capsys.readouterr().out
