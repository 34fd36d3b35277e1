"""Exported models give what the Python model gives, in a process without tfmask."""

import json
import os
import sys

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import (
    CLASSES,
    DATA,
    MODELS,
    PHOTOGRAPHS,
    encoded,
    run_apart,
    trained,
)
from export.parity import compare

from tfmask.data.images.read import read_image
from tfmask.errors import ExportError
from tfmask.evaluation.predictor import Predictor
from tfmask.export.freeze import check_stock
from tfmask.export.limits import Limits
from tfmask.export.saved_model import export, label_map_text
from tfmask.structures import ClassMap

EXTENSIONS = (".jpg", ".png", ".jpg")


def example(file: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))
    features = tf.train.Features(feature={"image/encoded": feature})
    return tf.train.Example(features=features).SerializeToString()


def files_of(tmp_path):
    """The photographs as files, and as the Python path reads these."""
    files = [encoded(p, kind) for p, kind in zip(PHOTOGRAPHS, EXTENSIONS)]
    images = []
    for i, file in enumerate(files):
        (tmp_path / str(i)).write_bytes(file)
        images.append(read_image(str(tmp_path / str(i))))
    return files, images


def check_parity(path, model, tmp_path, name, python=sys.executable):
    files, images = files_of(tmp_path)
    requests = [(path, "serving_default", p[None]) for p in PHOTOGRAPHS]
    requests.append((path, "image_bytes", files))
    requests.append((path, "tf_example", [example(file) for file in files]))
    answers = run_apart(requests, tmp_path, python)
    predictor = Predictor(model, DATA, CLASSES)
    for answer, prediction in zip(answers, predictor.predict(PHOTOGRAPHS)):
        assert compare(answer, 0, prediction, CLASSES).holds(), name
    for row, prediction in enumerate(predictor.predict(images)):
        assert compare(answers[3], row, prediction, CLASSES).holds(), name
    for key, value in answers[3].items():
        np.testing.assert_array_equal(value, answers[4][key])


def test_mask_rcnn_equals_the_python_model(exported, tmp_path):
    check_parity(*exported, tmp_path, "mask_rcnn")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name != "mask_rcnn"])
def test_every_architecture_equals_the_python_model(name, tmp_path):
    model = trained(name)
    limits = Limits(full_masks=True)
    path = export(model, DATA, CLASSES, tmp_path / "model", limits=limits)
    check_parity(path, model, tmp_path, name)
    if name == "maskplus":
        assert b"quasi" not in (path / "saved_model.pb").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(
    "TFMASK_OTHER_PYTHON" not in os.environ,
    reason="TFMASK_OTHER_PYTHON names no interpreter with another TensorFlow",
)
def test_another_tensorflow_gives_the_same(exported, tmp_path):
    other = os.environ["TFMASK_OTHER_PYTHON"]
    check_parity(*exported, tmp_path, "mask_rcnn", other)


def test_folder_has_all_that_a_server_wants(exported):
    path, _ = exported
    assert path.name == "1" and [p.name for p in path.parent.iterdir()] == ["1"]
    text = (path / "assets" / "label_map.pbtxt").read_text()
    assert text == label_map_text(CLASSES) and 'id: 90\n  name: "kite"' in text
    assert (path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0
    facts = json.loads((path / "assets.extra" / "tfmask.json").read_text())
    assert facts["classes"] == {"3": "cat", "7": "dog", "90": "kite"}


def test_batch_of_one_size_equals_each_image_alone(exported):
    path, _ = exported
    run = tf.saved_model.load(str(path)).signatures["serving_default"]
    both = np.stack([PHOTOGRAPHS[0], PHOTOGRAPHS[0][:, ::-1]])
    together = run(tf.constant(both))
    for i in range(2):
        alone = run(tf.constant(both[i : i + 1]))
        for key, value in alone.items():
            np.testing.assert_allclose(
                together[key][i], value[0], atol=2e-3, err_msg=key
            )


def test_what_the_model_cannot_take_is_an_invalid_argument(exported):
    path, _ = exported
    signatures = tf.saved_model.load(str(path)).signatures
    pixels, files = signatures["serving_default"], signatures["image_bytes"]
    good = encoded(PHOTOGRAPHS[0], ".jpg")
    for value, words in (
        (np.zeros([0, 40, 40, 3], np.uint8), "no image"),
        (np.zeros([1, 0, 40, 3], np.uint8), "no image"),
        (np.zeros([1, 500, 400, 3], np.uint8), "at most"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            pixels(tf.constant(value))
    for value in ([], [b""], [b"no image"], [good, good[:200]]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            files(tf.constant(value, tf.string))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["tf_example"](tf.constant([b"no example"]))
    assert int(files(tf.constant([good]))["num_detections"][0]) > 0


def test_fixed_size_is_static_and_refuses_others(tmp_path):
    model = trained("mask_rcnn")
    limits = Limits(size=(120, 200))
    path = export(model, DATA, CLASSES, tmp_path / "model", limits=limits)
    signatures = tf.saved_model.load(str(path)).signatures
    image = tf.constant(PHOTOGRAPHS[0][None])
    expected = Predictor(model, DATA, CLASSES).predict([PHOTOGRAPHS[0]])[0]
    outputs = signatures["serving_default"](image)
    np.testing.assert_allclose(
        outputs["detection_scores"][0][: len(expected.scores)],
        expected.scores,
        atol=1e-4,
    )
    file = tf.constant([encoded(PHOTOGRAPHS[1], ".png")])
    with pytest.raises(tf.errors.InvalidArgumentError, match="exported for"):
        signatures["image_bytes"](file)


def test_versions_count_up_and_are_not_overwritten(exported):
    path, model = exported
    with pytest.raises(ExportError, match="exists"):
        export(model, DATA, CLASSES, path.parent, version=1)


def test_category_ids_that_float32_does_not_hold_are_refused(exported, tmp_path):
    _, model = exported
    classes = ClassMap((1, 2, 2**24 + 1), ("a", "b", "c"))
    with pytest.raises(ExportError, match="16777217"):
        export(model, DATA, classes, tmp_path)
    assert not list(tmp_path.iterdir())


def test_operations_of_other_libraries_are_refused():
    graph = tf.Graph().as_graph_def()
    graph.node.add(name="pool", op="Tfmask>ShapeAwareRoiAlign")
    with pytest.raises(ExportError, match="Tfmask>ShapeAwareRoiAlign"):
        check_stock(graph)
    function = tf.Graph().as_graph_def()
    inner = function.library.function.add()
    inner.signature.name = "body"
    inner.node_def.add(name="pool", op="NoSuchOperation")
    function.node.add(name="call", op="body")
    with pytest.raises(ExportError, match="NoSuchOperation"):
        check_stock(function)
