"""Images of other channels than RGB through data, model, training and files."""

import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import small_batch, small_config
from training.test_trainer import TINY

from tfmask.cli import main
from tfmask.config import DataConfig, apply_overrides, load_config
from tfmask.data import pipeline
from tfmask.data.readers import load_dataset
from tfmask.data.synthetic.generate import write_dataset
from tfmask.errors import ConfigError, DataError
from tfmask.evaluation.predictor import Predictor
from tfmask.layers.naming import named_weights
from tfmask.models.architectures import MaskRCNN
from tfmask.models.build import build_model
from tfmask.structures import ClassMap
from tfmask.training import trainer

CLASSES = ClassMap((1, 2, 3), ("a", "b", "c"))
RANGE = (-100.0, 900.0)


def settings_for(channels: int):
    return small_config(pixel_mean=(120.0,) * channels, pixel_std=(60.0,) * channels)


def write_arrays(folder, count: int, channels: int, seed: int):
    """The pictures of shapes as float arrays of so many channels, stored in RANGE."""
    write_dataset(folder, count, seed=seed, size=80)
    content = json.loads((folder / "annotations.json").read_text())
    low, high = RANGE
    for record in content["images"]:
        path = folder / "images" / record["file_name"]
        pixels = cv2.imread(str(path))[..., np.arange(channels) % 3]
        path.unlink()
        record["file_name"] = f"{path.stem}.npy"
        stored = (low + (high - low) * pixels / 255).astype(np.float32)
        np.save(path.with_suffix(".npy"), stored)
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    write_arrays(folder / "train", 6, 5, seed=0)
    write_arrays(folder / "val", 2, 5, seed=1)
    return folder


def options(channels=5, **more) -> DataConfig:
    sizes = dict(short_side=(64,), max_side=96, eval_short_side=64, eval_max_side=96)
    return DataConfig(channels=channels, value_range=RANGE, **sizes, **more)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_model_of_other_channels_goes_through_a_keras_file(channels, tmp_path):
    model = MaskRCNN.create(3, settings_for(channels))
    assert named_weights(model)["backbone/stem/kernel"].shape[2] == channels
    batch = small_batch()
    images = tf.gather(batch["images"], np.arange(channels) % 3, axis=3)
    inputs = {"images": images, "image_sizes": batch["image_sizes"]}
    expected = model(inputs)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.normalization.channels == channels
    for name, value in again(inputs).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    losses = model.compute_losses(
        model({**batch, "images": images}, training=True), {**batch, "images": images}
    )
    assert np.isfinite(sum(losses.values()))


def test_means_and_deviations_of_different_lengths_are_refused():
    settings = small_config(pixel_mean=(1.0, 2.0), pixel_std=(1.0,))
    with pytest.raises(ConfigError, match="as many deviations as means"):
        build_model(settings)


def test_batches_have_the_channels_and_values_of_the_files(data):
    dataset = load_dataset(str(data / "train"), "", options(), log=None)
    stream = pipeline.training_dataset(dataset, options(), 2, 0)
    assert stream.element_spec["images"].shape.as_list() == [2, None, None, 5]
    batch = next(iter(stream))
    images = batch["images"].numpy().astype(int)
    assert images.shape[-1] == 5 and images.max() > 150
    np.testing.assert_array_equal(images[..., 3:], images[..., :2])


def test_data_that_is_read_for_other_channels_names_them(data):
    with pytest.raises(DataError, match=r"\[80, .*, 5\]: expected .* data.channels=4"):
        load_dataset(str(data / "train"), "", options(4), log=None)


def test_predictor_takes_arrays_of_these_channels():
    model = build_model(settings_for(2))
    predictor = Predictor(model, options(2), CLASSES)
    images = [np.full((50, 70, 2), 90, np.uint8), np.zeros((70, 50, 2), np.uint8)]
    first, second = predictor.predict(images, batch_size=2)
    assert (first.size, second.size) == ((50, 70), (70, 50))
    with pytest.raises(ValueError, match=r"expected \[height, width, 2\] uint8"):
        predictor.predict([np.zeros((50, 70, 3), np.uint8)])


@pytest.mark.slow
def test_training_evaluation_and_prediction_on_five_channels(data, tmp_path, capsys):
    means = ",".join(["120"] * 5)
    settings = [
        *TINY,
        "train.steps=2",
        "data.channels=5",
        "data.value_range=-100,900",
        f"model.pixel_mean={means}",
        f"model.pixel_std={means}",
        "data.augment.scale_jitter=0.5,2",
        "data.augment.copy_paste=0.5",
        "data.augment.brightness=0.2",
        "data.augment.rotate=0.5",
        f"data.train={data}/train",
        f"data.val={data}/val",
        f"train.output={tmp_path / 'run'}",
    ]
    config = apply_overrides(load_config("demo/shapes"), settings)
    figures = trainer.train(dataclasses.replace(config), log=lambda line: None)
    assert "mask/AP" in figures
    run = str(tmp_path / "run")
    assert main(["evaluate", f"{run}/config.json", "--load", run]) == 0
    arguments = ["predict", f"{run}/config.json", str(data / "val" / "images")]
    assert main([*arguments, "--load", run, "--out", str(tmp_path / "out")]) == 0
    assert "2 images done, 0 failed" in capsys.readouterr().out
    pictures = list((tmp_path / "out").glob("*.png"))
    assert len(pictures) == 2 and cv2.imread(str(pictures[0])).ndim == 3
    arguments = ["export", f"{run}/config.json", "--load", run]
    assert main([*arguments, "--out", str(tmp_path / "models")]) == 1
    assert "data.channels=5: expected 3" in capsys.readouterr().err
    assert main(["validate", str(data / "val")]) == 1
    options = ["--channels", "5", "--value-range=-100,900"]
    assert main(["validate", str(data / "val"), *options]) == 0
