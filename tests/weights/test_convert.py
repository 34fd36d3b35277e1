"""From FORMAT:PATH to a model, a weight file, and a training."""

import json
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from weights import public_names
from weights.public_files import CLASS_LAYERS, manifest_shapes

from tfmask.config import Config, from_dict
from tfmask.configs import lineages
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ClassMapError, WeightsError
from tfmask.layers.naming import named_weights, raw_variable
from tfmask.models.build import build_model
from tfmask.structures import ClassMap
from tfmask.training.trainer import train
from tfmask.weights import convert, importer
from tfmask.weights.classes import coco
from tfmask.weights.load import load_weights, read_weights
from tfmask.weights.readers.torch_file import Source


def small_config(num_classes=0) -> Config:
    config = lineages.detectron2()
    model = config.model
    model.num_classes = num_classes
    model.backbone.depth, model.backbone.width = 10, 16
    model.neck.channels = model.rpn.channels = model.mask.head.channels = 32
    model.boxes.head.fc_units = 64
    model.mask.head.conv_layers = 1
    return config


def values_of(model) -> dict:
    return {
        path: np.asarray(weight)
        for path, weight in named_weights(model).items()
        if not path.startswith("loss_weights/")
    }


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A Detectron2 file of a small model with 80 classes, and our weights of it."""
    model = build_model(small_config(80).model)
    rng = np.random.RandomState(0)
    values = {
        path: np.float32(0.05 * rng.standard_normal(value.shape))
        for path, value in values_of(model).items()
    }
    for path in values:
        if path.endswith("moving_variance"):
            values[path] = 0.5 + np.abs(values[path])
    arrays = importer.export("detectron2", values, small_config(80).model)
    path = tmp_path_factory.mktemp("published") / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": arrays}))
    trunk = path.with_name("trunk.pkl")
    prefix = "backbone.bottom_up."
    trunk.write_bytes(
        pickle.dumps(
            {k.removeprefix(prefix): v for k, v in arrays.items() if prefix in k}
        )
    )
    return str(path), str(trunk), values


def test_a_converted_file_holds_the_model_its_classes_and_its_config(
    published, tmp_path
):
    path, _, values = published
    out, lines = str(tmp_path / "new" / "r10.tfmask.h5"), []
    report = convert.convert(path, "detectron2", small_config(), out, lines.append)
    assert not (report.missing or report.skipped or report.reset)
    file = read_weights(out)
    assert file.class_map == coco()
    assert from_dict(file.config).model.num_classes == 80
    assert set(file.weights) == set(values)
    for name, value in values.items():
        np.testing.assert_array_equal(file.weights[name], value)
    text = "\n".join(lines)
    assert f"{len(values)} of {len(values)} weights loaded" in text
    assert "80 classes {1=person, 2=bicycle" in text
    model = build_model(small_config(80).model)
    load_weights(model, out, class_map=coco())
    np.testing.assert_array_equal(
        values_of(model)["box_head/fc1/kernel"], values["box_head/fc1/kernel"]
    )


def test_converted_weights_of_other_classes_are_an_error_that_shows_both(
    published, tmp_path
):
    out = str(tmp_path / "r10.tfmask.h5")
    convert.convert(published[0], "detectron2", small_config(), out, lambda line: None)
    others = ClassMap(tuple(range(80)), tuple(f"thing {i}" for i in range(80)))
    with pytest.raises(ClassMapError, match="person.*thing 0"):
        load_weights(build_model(small_config(80).model), out, class_map=others)


def test_a_converted_trunk_holds_the_trunk_alone_and_starts_a_model(
    published, tmp_path
):
    _, trunk, values = published
    out, lines = str(tmp_path / "trunk.tfmask.h5"), []
    report = convert.convert(trunk, "detectron2", small_config(), out, lines.append)
    assert {path.split("/")[0] for path in report.missing} == {
        "neck",
        "rpn_head",
        "box_head",
        "mask_head",
    }
    assert all(path.startswith("backbone/") for path in read_weights(out).weights)
    settings = small_config(3).model
    settings.backbone.weights = out
    model = build_model(settings)
    before = values_of(model)
    convert.load_initial(model, settings, lines.append)
    for path, value in values_of(model).items():
        expected = values if path.startswith("backbone/") else before
        np.testing.assert_array_equal(value, expected[path])


@pytest.mark.parametrize("whole", [True, False])
def test_a_trunk_is_taken_from_a_trunk_or_a_detector(published, whole):
    settings, lines = small_config(3).model, []
    settings.backbone.weights = f"detectron2:{published[0 if whole else 1]}"
    model = build_model(settings)
    before = values_of(model)
    convert.load_initial(model, settings, lines.append)
    for path, value in values_of(model).items():
        expected = published[2] if path.startswith("backbone/") else before
        np.testing.assert_array_equal(value, expected[path])
    assert ("skipped roi_heads" in lines[0]) == whole


def test_a_file_that_does_not_fit_leaves_the_model_as_it_was(published, tmp_path):
    with open(published[0], "rb") as stream:
        arrays = pickle.load(stream)["model"]
    arrays["roi_heads.mask_head.deconv.weight"] = np.zeros((7, 7, 2, 2), np.float32)
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"model": arrays}))
    settings = small_config(80).model
    model = build_model(settings)
    before = values_of(model)
    with pytest.raises(WeightsError, match=r"deconv.weight has shape \[7, 7, 2, 2\]"):
        convert.load_into(model, settings, f"detectron2:{path}", lambda line: None)
    for name, value in values_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_names_that_are_no_weight_file_are_explained(published, tmp_path):
    with pytest.raises(WeightsError, match="ends in .tfmask.h5"):
        convert.convert(published[0], "detectron2", small_config(), "x.h5")
    with pytest.raises(WeightsError, match="no such weight format; known"):
        convert.convert(published[0], "darknet", small_config(), "x.tfmask.h5")


def write_one_class_dataset(folder):
    path = write_dataset(folder, 2, seed=0, size=96)
    content = json.loads(path.read_text())
    content["categories"] = [{"id": 7, "name": "shape"}]
    for annotation in content["annotations"]:
        annotation["category_id"] = 7
    path.write_text(json.dumps(content))
    return str(folder)


def reset_paths(text):
    lines = [line.split() for line in text.splitlines()]
    return sorted(words[1].rstrip(":") for words in lines if words[0] == "reset")


def test_two_steps_after_80_classes_became_1_train_the_reset_layers(published):
    settings, lines = small_config(1).model, []
    settings.weights = f"detectron2:{published[0]}"
    model = build_model(settings)
    convert.load_initial(
        model, settings, lines.append, class_map=ClassMap((7,), ("x",))
    )
    assert reset_paths("\n".join(lines)) == sorted(CLASS_LAYERS)
    batch = {
        "images": np.random.RandomState(0).randint(0, 255, (1, 64, 64, 3), np.uint8),
        "image_sizes": np.int32([[64, 64]]),
        "boxes": np.float32([[[8, 8, 40, 48]]]),
        "labels": np.int32([[1]]),
        "masks": np.full((1, 1, 28, 28), 255, np.uint8),
        "crowd": np.zeros((1, 1), bool),
        "valid": np.ones((1, 1), bool),
        "stream_index": np.zeros(1, np.int64),
    }
    batch = {key: tf.constant(value) for key, value in batch.items()}
    before = values_of(model)
    weights = [raw_variable(w) for w in model.trainable_weights]
    for _ in range(2):
        with tf.GradientTape() as tape:
            losses = model.compute_losses(model(batch, training=True), batch)
            total = tf.add_n(list(losses.values()))
        for weight, gradient in zip(weights, tape.gradient(total, weights)):
            weight.assign_sub(0.01 * tf.convert_to_tensor(gradient))
    assert np.isfinite(total)
    after = values_of(model)
    for path in (*CLASS_LAYERS, "box_head/fc1/kernel", "neck/fpn_output2/kernel"):
        assert np.isfinite(after[path]).all() and (after[path] != before[path]).any()


@pytest.mark.slow
def test_fine_tuning_an_r50_from_80_classes_to_1(tmp_path):
    config = lineages.detectron2()
    path = tmp_path / "model_final_a54504.pkl"
    arrays = public_names.fill(manifest_shapes("detectron2_mask_rcnn_r50_fpn"))
    arrays = {k: v if "var" in k else 0.01 * v for k, v in arrays.items()}
    path.write_bytes(pickle.dumps({"model": arrays}))
    config.model.weights = f"detectron2:{path}"
    config.data.train = write_one_class_dataset(tmp_path / "data")
    config.data.short_side, config.data.max_side = (96,), 128
    config.data.mask_resolution = 28
    config.model.rpn.post_nms_train, config.model.roi.batch = 50, 16
    config.train.output = str(tmp_path / "run")
    config.train.steps, config.train.batch_size = 2, 2
    config.train.log_every, config.train.tensorboard = 1, False
    lines = []
    train(config, log=lines.append)
    text = "\n".join(lines)
    assert reset_paths(text) == sorted(CLASS_LAYERS)
    assert "301 of 307 weights loaded, 6 reset, 0 missing" in text
    trained = read_weights(str(tmp_path / "run"))
    assert trained.class_map == ClassMap((7,), ("shape",))
    assert trained.weights["box_head/class_logits/kernel"].shape[-1] == 2


@pytest.mark.slow
def test_imported_trunk_computes_what_keras_applications_computes(monkeypatch):
    original = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(64, 96, 3)
    )
    rng = np.random.RandomState(0)
    for layer in original.layers:
        drawn = []
        for weight in layer.get_weights():
            kind = weight.ndim == 4
            scale = np.sqrt(2 / np.prod(weight.shape[:3])) if kind else 0.1
            value = scale * rng.standard_normal(weight.shape)
            drawn.append(value if kind else value + 0.7)
        layer.set_weights(drawn)
    monkeypatch.setattr(keras.applications, "ResNet50", lambda **options: original)
    settings = lineages.detectron2().model
    settings.num_classes = 1
    settings.backbone.weights = "keras_applications:resnet50"
    # keras.applications' "caffe" input: blue first, these means, no scale.
    settings.pixel_mean = (123.68, 116.779, 103.939)
    model = build_model(settings)
    convert.load_initial(model, settings, lambda line: None)
    image = rng.uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    features = model.backbone(model.normalization([image, np.int32([[64, 96]])]))
    layers = ("conv2_block3_out", "conv3_block4_out", "conv5_block3_out")
    outputs = keras.Model(
        original.inputs[0], [original.get_layer(name).output for name in layers]
    )(keras.applications.resnet50.preprocess_input(image.copy()))
    for name, expected in zip(("c2", "c3", "c5"), outputs):
        expected = np.asarray(expected)
        error = np.abs(features[name] - expected).max() / np.abs(expected).mean()
        assert error < 1e-4, name


def test_weights_in_memory_are_loaded_like_a_file(published):
    _, _, values = published
    settings = small_config(80).model
    model = build_model(settings)
    arrays = importer.export("detectron2", values, settings)
    report = convert.load_arrays(model, settings, "detectron2", Source(arrays, {}))
    assert report.class_map == coco() and len(report.loaded) == len(values)
