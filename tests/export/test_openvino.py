"""The converted model beside the Python model, by OpenVINO's own runtime."""

import numpy as np
import pytest
from export.export_cases import (
    CLASSES,
    DATA,
    MODELS,
    PHOTOGRAPHS,
    run_openvino_apart,
    trained,
)

from tfmask.errors import ExportError
from tfmask.evaluation.predictor import Predictor
from tfmask.export.limits import Limits

pytest.importorskip(
    "openvino", reason="openvino is not installed: pip install tfmask[openvino]"
)

from tfmask.export.openvino import export


def check(name, tmp_path):
    model = trained(name)
    path = export(model, DATA, CLASSES, tmp_path / "model")
    assert sorted(p.name for p in path.iterdir()) == [
        "label_map.pbtxt",
        "model.bin",
        "model.xml",
        "tfmask.json",
    ]
    answers = run_openvino_apart(path / "model.xml", PHOTOGRAPHS, tmp_path)
    predictions = Predictor(model, DATA, CLASSES).predict(PHOTOGRAPHS)
    for answer, prediction in zip(answers, predictions):
        count = int(answer["num_detections"][0])
        assert count == len(prediction.scores) > 3
        boxes = answer["detection_boxes_pixels"][0][:count]
        np.testing.assert_allclose(boxes[:, [1, 0, 3, 2]], prediction.boxes, atol=1e-2)
        np.testing.assert_allclose(
            answer["detection_scores"][0][:count], prediction.scores, atol=1e-4
        )
        ids = [CLASSES.ids[label - 1] for label in prediction.labels]
        np.testing.assert_array_equal(answer["detection_classes"][0][:count], ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_equals_the_python_model(name, tmp_path):
    check(name, tmp_path)


def test_full_masks_are_refused(tmp_path):
    with pytest.raises(ExportError, match="pasted by the client"):
        export(None, DATA, CLASSES, tmp_path, limits=Limits(full_masks=True))
