import numpy as np
import pytest
from models.model_cases import small_model

from tfmask.config import Config, DataConfig
from tfmask.errors import ExportError
from tfmask.export import benchmark, runners


def test_report_of_a_model_has_time_memory_stages_and_operations():
    config = Config(data=DataConfig(eval_short_side=64, eval_max_side=96))
    report = benchmark.of_model(small_model(), config, (60, 80), batch=2, runs=2)
    assert report["input"] == [64, 96] and report["batch"] == 2
    seconds = report["seconds"]
    assert 0 < seconds["least"] <= seconds["median"] <= seconds["p99"]
    assert report["images_per_second"] > 0 and report["peak_megabytes"] > 100
    assert report["detections"] > 0
    names = {"backbone", "neck", "proposals", "boxes", "selection, masks"}
    assert set(report["stages"]) == names
    assert np.isfinite(list(report["stages"].values())).all()
    assert report["macs"]["backbone"] > report["macs"]["rpn_head"] > 0
    text = benchmark.as_text(report)
    assert "images of 60 x 80, 2 at once" in text and "selection, masks" in text


def test_report_of_an_exported_model(exported):
    folder, _ = exported
    report = benchmark.of_exported(folder.parent, (60, 80), batch=1, runs=2)
    assert report["model"] == str(folder) and report["precision"] == "float32"
    assert report["detections"] > 0 and report["seconds_to_load"] > 0


def test_what_a_model_does_not_take_is_refused(tmp_path):
    with pytest.raises(ExportError, match="no saved_model.pb or model.onnx"):
        runners.load(tmp_path, (60, 80), 1)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "model.tflite").write_bytes(b"")
    (tmp_path / "2" / "tfmask.json").write_text('{"size": [64, 96]}')
    with pytest.raises(ExportError, match="--size 60x80: expected 64x96"):
        runners.load(tmp_path, (60, 80), 1)
    with pytest.raises(ExportError, match="--batch 2: expected 1"):
        runners.load(tmp_path, (64, 96), 2)
