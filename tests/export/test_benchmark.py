import numpy as np
from models.model_cases import small_model

from tfmask.config import Config, DataConfig
from tfmask.export import benchmark


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
