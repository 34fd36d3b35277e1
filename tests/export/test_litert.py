"""The LiteRT file beside the Python model, by LiteRT's interpreter."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import (
    CLASSES,
    DATA,
    MODELS,
    PHOTOGRAPHS,
    run_by_runtime_apart,
    trained,
)
from export.parity import compare
from models.model_cases import change, small_model

from tfmask.config import PoolConfig
from tfmask.errors import ExportError
from tfmask.evaluation.predictor import Predictor
from tfmask.export.limits import Limits
from tfmask.export.litert import FILE, export, only_built_in


def fixed_samples(model):
    """The model with two samples per bin and axis."""
    for part in (model.boxes, model.masks):
        part.pooling = dataclasses.replace(part.pooling, sampling_ratio=2)
    return model


def run(model, image, tmp_path):
    """(outputs by the interpreter, prediction of the Python model)"""
    pytest.importorskip(
        "ai_edge_litert",
        reason="ai_edge_litert is not installed: pip install tfmask[litert]",
    )
    limits = Limits(size=image.shape[:2])
    path = export(model, DATA, CLASSES, tmp_path / "model", limits=limits)
    assert sorted(p.name for p in path.iterdir()) == [
        "label_map.pbtxt",
        FILE,
        "tfmask.json",
    ]
    (answer,) = run_by_runtime_apart("ai_edge_litert", path / FILE, [image], tmp_path)
    (prediction,) = Predictor(model, DATA, CLASSES).predict([image])
    return answer, prediction


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_equals_the_python_model(name, tmp_path):
    # A canvas that is larger than the resized image, so that there is padding.
    answer, prediction = run(fixed_samples(trained(name)), PHOTOGRAPHS[2], tmp_path)
    assert compare(answer, 0, prediction, CLASSES).holds()


@pytest.mark.slow
def test_an_image_without_detections(tmp_path):
    model = fixed_samples(trained("mr_rcnn"))
    change(model.boxes, "select", score_threshold=1.0)
    answer, prediction = run(model, PHOTOGRAPHS[0], tmp_path)
    assert len(prediction.scores) == 0 == answer["num_detections"][0]
    assert not answer["detection_masks"].any()


@pytest.mark.parametrize(
    "precision, limits, message",
    [
        ("float32", {"full_masks": True}, "pasted by the client"),
        ("float16", {}, "expected float32 for LiteRT"),
        ("float32", {}, "expected --size HxW"),
    ],
)
def test_what_is_refused(precision, limits, message, tmp_path):
    work = (None, DATA, CLASSES, tmp_path)
    with pytest.raises(ExportError, match=message):
        export(*work, limits=Limits(**limits), precision=precision)


def test_an_adaptive_number_of_samples_is_refused(tmp_path):
    model = small_model(pool=PoolConfig(sampling_ratio=0))
    message = re.escape(
        "expected a fixed number of samples for LiteRT, e.g. model.pool"
    )
    with pytest.raises(ExportError, match=message):
        export(model, DATA, CLASSES, tmp_path, limits=Limits(size=(64, 64)))


def test_rewritten_operations_give_the_same():
    @tf.function(
        input_signature=[
            tf.TensorSpec([1, 5, 7, 2], tf.uint8),
            tf.TensorSpec([1, 5, 7, 2]),
        ]
    )
    def function(pixels, values):
        border = [[0, 0], [1, 1], [1, 1], [0, 0]]
        pooled = tf.nn.max_pool2d(
            tf.ensure_shape(values, [1, None, 7, 2]), 3, 2, border
        )
        return tf.pad(pixels, border), pooled

    graph = function.get_concrete_function().graph
    definition = graph.as_graph_def()
    only_built_in(definition)
    kinds = {node.op for node in definition.node}
    assert "EnsureShape" not in kinds and {"PadV2", "Reshape", "Cast"} <= kinds
    rng = np.random.default_rng(0)
    given = (
        rng.integers(0, 255, (1, 5, 7, 2), np.uint8),
        rng.normal(-9, 1, (1, 5, 7, 2)),
    )
    given = tf.constant(given[0]), tf.constant(given[1], tf.float32)
    rewritten = tf.compat.v1.wrap_function(
        lambda *values: tf.graph_util.import_graph_def(
            definition,
            dict(zip((tensor.name for tensor in graph.inputs), values)),
            [tensor.name for tensor in graph.outputs],
        ),
        function.input_signature,
    )
    for result, expected in zip(rewritten(*given), function(*given)):
        np.testing.assert_array_equal(result, expected)
