"""The converted model beside the Python model, by OpenVINO's own runtime."""

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

from tfmask.errors import ExportError
from tfmask.evaluation.predictor import Predictor
from tfmask.export.freeze import freeze
from tfmask.export.limits import Limits
from tfmask.export.resize import resize, resized_size

pytest.importorskip(
    "openvino", reason="openvino is not installed: pip install tfmask[openvino]"
)

import openvino

from tfmask.export.openvino import HINTS, convert_graph, export


def compiled(function, shape, dtype):
    """A function of one tensor by OpenVINO: array -> outputs by name."""
    frozen = freeze(function, [tf.TensorSpec(shape, dtype)])
    model = openvino.Core().compile_model(
        convert_graph(frozen), "CPU", HINTS["float32"]
    )

    def call(value):
        return {o.get_any_name(): v for o, v in model({"input_tensor": value}).items()}

    return call


def test_images_are_resized_bit_by_bit():
    def run(images):
        return {"resized": resize(images, resized_size(tf.shape(images)[1:3], 96, 160))}

    by_openvino = compiled(run, [1, None, None, 3], tf.uint8)
    rng = np.random.default_rng(0)
    # The first has that size already. In float32 the weights of the others differ.
    for size in ((96, 160), (333, 500), (640, 481), (77, 91), (2111, 1500)):
        images = rng.integers(0, 256, (1, *size, 3), dtype=np.uint8)
        expected = tf.function(run)(tf.constant(images))["resized"]
        np.testing.assert_array_equal(by_openvino(images)["resized"], expected)


def test_every_second_cell_has_half_the_sides():
    def run(x):
        fine = tf.nn.max_pool2d(x, 1, 2, "VALID")
        coarse = fine[:, ::2, ::2]
        rows = [tf.range(tf.shape(level)[1]) for level in (fine, coarse)]
        return {"cells": coarse, "fine": rows[0], "coarse": rows[1]}

    x = np.random.default_rng(0).normal(size=(1, 12, 20, 4)).astype(np.float32)
    given = compiled(run, [1, None, None, 4], tf.float32)(x)
    np.testing.assert_array_equal(given["cells"], x[:, ::4, ::4])
    assert (len(given["fine"]), len(given["coarse"])) == (6, 3)


def test_rows_of_one_image_are_gathered_from_where_they_are():
    def run(x):
        order = tf.argsort(x[..., 0])[:, :20]
        return {"rows": tf.gather(x, order, batch_dims=1)}

    x = np.random.default_rng(0).normal(size=(1, 40, 4)).astype(np.float32)
    given = compiled(run, [1, 40, 4], tf.float32)(x)
    np.testing.assert_array_equal(given["rows"], run(tf.constant(x))["rows"])


def check(name, tmp_path, images=PHOTOGRAPHS, **limits):
    model = trained(name)
    path = export(model, DATA, CLASSES, tmp_path / "model", limits=Limits(**limits))
    assert sorted(p.name for p in path.iterdir()) == [
        "label_map.pbtxt",
        "model.bin",
        "model.xml",
        "tfmask.json",
    ]
    answers = run_by_runtime_apart("openvino", path / "model.xml", images, tmp_path)
    predictions = Predictor(model, DATA, CLASSES).predict(images)
    for answer, prediction in zip(answers, predictions):
        assert compare(answer, 0, prediction, CLASSES).holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_equals_the_python_model(name, tmp_path):
    check(name, tmp_path)


@pytest.mark.slow
def test_a_fixed_size(tmp_path):
    image = PHOTOGRAPHS[2]
    check("mr_rcnn", tmp_path, [image], size=image.shape[:2])


def test_an_output_that_is_constant_stays():
    def run(x):
        return {"before": 2.0 * x, "constant": tf.constant([[3, 4]]), "last": x + 1.0}

    given = compiled(run, [2], tf.float32)(np.float32([1, 5]))
    assert {name: value.tolist() for name, value in given.items()} == {
        "before": [2, 10],
        "constant": [[3, 4]],
        "last": [2, 6],
    }


def test_full_masks_are_refused(tmp_path):
    with pytest.raises(ExportError, match="pasted by the client"):
        export(None, DATA, CLASSES, tmp_path, limits=Limits(full_masks=True))
