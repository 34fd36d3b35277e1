"""The converted model beside the Python model, by OpenVINO's own runtime."""

import pytest
from export.export_cases import (
    CLASSES,
    DATA,
    MODELS,
    PHOTOGRAPHS,
    run_by_runtime_apart,
    trained,
)
from export.parity import compare

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
    answers = run_by_runtime_apart(
        "openvino", path / "model.xml", PHOTOGRAPHS, tmp_path
    )
    predictions = Predictor(model, DATA, CLASSES).predict(PHOTOGRAPHS)
    for answer, prediction in zip(answers, predictions):
        assert compare(answer, 0, prediction, CLASSES).holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_equals_the_python_model(name, tmp_path):
    check(name, tmp_path)


def test_full_masks_are_refused(tmp_path):
    with pytest.raises(ExportError, match="pasted by the client"):
        export(None, DATA, CLASSES, tmp_path, limits=Limits(full_masks=True))
