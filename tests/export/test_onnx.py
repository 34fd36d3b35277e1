"""The ONNX file beside the Python model, by ONNX Runtime."""

import json

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
from models.model_cases import change

from tfmask.errors import ExportError
from tfmask.evaluation.predictor import Predictor
from tfmask.export.limits import Limits
from tfmask.export.onnx import FILE, export


@pytest.fixture
def runtime():
    for module in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(
            module, reason=f"{module} is not installed: pip install tfmask[onnx]"
        )


def check(name, tmp_path, images=PHOTOGRAPHS, **limits):
    model = trained(name)
    path = export(model, DATA, CLASSES, tmp_path / "model", limits=Limits(**limits))
    assert sorted(p.name for p in path.iterdir()) == [
        "label_map.pbtxt",
        FILE,
        "tfmask.json",
    ]
    answers = run_by_runtime_apart("onnxruntime", path / FILE, images, tmp_path)
    predictions = Predictor(model, DATA, CLASSES).predict(images)
    for answer, prediction in zip(answers, predictions):
        assert compare(answer, 0, prediction, CLASSES).holds()
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_equals_the_python_model(name, tmp_path, runtime):
    check(name, tmp_path)


@pytest.mark.slow
def test_a_fixed_size(tmp_path, runtime):
    image = PHOTOGRAPHS[2]
    path = check("mask_rcnn", tmp_path, [image], size=image.shape[:2])
    assert json.loads((path / "tfmask.json").read_text())["size"] == [77, 91]


@pytest.mark.parametrize(
    "precision, limits, message",
    [
        ("float32", {"full_masks": True}, "pasted by the client"),
        ("bfloat16", {}, "expected float32 for ONNX"),
    ],
)
def test_what_is_refused(precision, limits, message, tmp_path):
    work = (None, DATA, CLASSES, tmp_path)
    with pytest.raises(ExportError, match=message):
        export(*work, limits=Limits(**limits), precision=precision)


@pytest.mark.slow
def test_an_image_without_detections(tmp_path, runtime):
    model = trained("mr_rcnn")
    change(model.boxes, "select", score_threshold=1.0)
    path = export(model, DATA, CLASSES, tmp_path / "model")
    (answer,) = run_by_runtime_apart(
        "onnxruntime", path / FILE, PHOTOGRAPHS[:1], tmp_path
    )
    assert answer["num_detections"][0] == 0 and not answer["detection_masks"].any()
