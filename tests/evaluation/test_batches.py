"""The real model behind the predictor: company and repetition change nothing."""

import resource

import numpy as np
import pytest
from models.model_cases import small_model
from pycocotools import mask as coco_mask

from tfmask.config import DataConfig
from tfmask.evaluation.predictor import Predictor
from tfmask.structures import ClassMap

CLASSES = ClassMap((3, 7, 9), ("a", "b", "c"))
SIZES = DataConfig(eval_short_side=64, eval_max_side=128)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(small_model(), SIZES, CLASSES)


def images(*shapes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*shape, 3)).astype(np.uint8) for shape in shapes]


def test_a_batch_of_mixed_sizes_equals_the_images_one_by_one(predictor):
    shapes = (64, 64), (50, 90), (128, 70), (64, 64), (33, 33), (90, 50), (64, 61)
    batch = images(*shapes)
    together = predictor.predict(batch, batch_size=4)
    compared = 0
    for image, joint in zip(batch, together):
        (alone,) = predictor.predict([image])
        assert len(alone.scores) == len(joint.scores) > 0
        np.testing.assert_allclose(joint.boxes, alone.boxes, atol=0.05)
        np.testing.assert_array_equal(joint.labels, alone.labels)
        for a, b in zip(joint.masks, alone.masks):
            assert np.mean(coco_mask.decode(a) == coco_mask.decode(b)) >= 0.995
            compared += 1
    assert compared > 20


@pytest.mark.slow
def test_memory_does_not_grow_over_500_inferences():
    predictor = Predictor(small_model(), SIZES, CLASSES)
    batch = images((64, 64), (64, 96), (90, 64), (70, 128))

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    readings = []
    for i in range(500):
        predictor.predict([batch[i % 4]])
        if i >= 200 and i % 50 == 49:
            readings.append(resident())
    assert readings[-1] - readings[0] < 10, readings  # MB
