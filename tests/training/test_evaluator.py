"""Evaluation in training: bad images, bounded pictures, settings checked before."""

import dataclasses
import json
import os
import types

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfmask.config import Config, DataConfig, EvalConfig
from tfmask.data.readers import load_dataset
from tfmask.errors import ConfigError
from tfmask.training.evaluator import Evaluator
from tfmask.training.tensorboard import MOST_BYTES, SummaryWriter


class StandIn:
    """Finds one thing in the middle of every image."""

    masks = mask_branch = types.SimpleNamespace(terms=())

    def __call__(self, inputs, training):
        size = tf.cast(inputs["image_sizes"], tf.float32)
        height, width = size[:, 0], size[:, 1]
        box = tf.stack([width / 4, height / 4, width * 3 / 4, height * 3 / 4], -1)
        count = tf.shape(size)[0]
        return {
            "boxes": box[:, None],
            "scores": tf.fill([count, 1], 0.9),
            "labels": tf.ones([count, 1], tf.int32),
            "valid": tf.fill([count, 1], True),
            "masks": tf.ones([count, 1, 28, 28]),
        }


def config(**evaluation) -> Config:
    data = DataConfig(eval_short_side=64, eval_max_side=96, max_bad_fraction=0.3)
    value = Config(data=data, evaluation=EvalConfig(**evaluation))
    value.train.tensorboard = True
    value.train.tensorboard_images = 2
    return value


@pytest.fixture
def dataset(tmp_path):
    """Four images, each with the one thing that the stand-in finds."""
    folder = tmp_path / "val" / "images"
    folder.mkdir(parents=True)
    content = {"categories": [{"id": 7, "name": "thing"}]}
    content |= {"images": [], "annotations": []}
    rng = np.random.default_rng(0)
    for number in range(1, 5):
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (96, 96, 3), np.uint8))
        content["images"].append(
            {"id": number, "file_name": name, "height": 96, "width": 96}
        )
        content["annotations"].append(
            {
                "id": number,
                "image_id": number,
                "category_id": 7,
                "bbox": [24, 24, 48, 48],
                "area": 48 * 48,
                "segmentation": [[24, 24, 72, 24, 72, 72, 24, 72]],
            }
        )
    path = tmp_path / "val" / "annotations.json"
    path.write_text(json.dumps(content))
    return load_dataset(str(path))


def test_images_that_cannot_be_read_are_left_out_of_pictures_and_figures(dataset):
    sound = Evaluator(config(), dataset.without_images([0]), None)(StandIn())
    with open(dataset.images[0].path, "r+b") as stream:
        stream.truncate(os.path.getsize(stream.name) // 2)
    lines = []
    found = Evaluator(config(), dataset, lines.append)(StandIn())
    assert found.figures == sound.figures and found.figures["mask/AP75"] == 1
    assert len(found.pictures) == 2
    np.testing.assert_array_equal(found.pictures, sound.pictures)
    assert lines[-1].startswith("1 of 4 images cannot be read")


def test_a_metric_without_the_figure_that_decides_is_refused_before_training(dataset):
    with pytest.raises(ConfigError, match="evaluation.best='mask/ap'.*mask/AP"):
        Evaluator(config(best="mask/ap"), dataset)


def test_images_with_more_objects_than_detections_are_said_before_training(dataset):
    settings = config()
    lines = []
    Evaluator(settings, dataset, lines.append)
    assert not lines
    settings.model.postprocess.max_detections = 0
    Evaluator(settings, dataset, lines.append)
    assert "model.postprocess.max_detections" in lines[0]


def test_pictures_of_camera_images_take_few_bytes(dataset, tmp_path):
    """Noise of 6 megapixels, of which PNG would make 18 MB each."""
    rng = np.random.default_rng(0)
    record = dataset.images[0]
    noise = rng.integers(0, 255, (2000, 3000, 3), np.uint8)
    cv2.imwrite(record.path, noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    empty = record.select(np.zeros(len(record.boxes), bool))
    large = [
        dataclasses.replace(empty, image_id=number, height=2000, width=3000)
        for number in (1, 2)
    ]
    camera = dataclasses.replace(dataset, images=large)
    found = Evaluator(config(), camera, None)(StandIn())
    assert [p.shape[1] for p in found.pictures] == [2 * 640 + 8] * 2
    writer = SummaryWriter(tmp_path / "events")
    for index, picture in enumerate(found.pictures):
        writer.image(1, f"val/image_{index}", picture, MOST_BYTES // 2)
    writer.close()
    (file,) = (tmp_path / "events").iterdir()
    assert 50_000 < file.stat().st_size < 405_000
