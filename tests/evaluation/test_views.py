"""Test-time augmentation with a small random model."""

import dataclasses

import numpy as np
import pytest
from models.model_cases import small_model
from models.refine_cases import refine_model, spread_heads
from pycocotools import mask as mask_utils

from tfmask.config import Config, DataConfig
from tfmask.errors import EvaluationError
from tfmask.evaluation.choose import make_predictor
from tfmask.evaluation.predictor import Predictor
from tfmask.evaluation.tiles import TiledPredictor
from tfmask.evaluation.views import ViewsPredictor
from tfmask.layers.naming import named_weights
from tfmask.structures import ClassMap

DATA = DataConfig(eval_short_side=64, eval_max_side=96)


def spread(model):
    """Random heads whose detections differ; scores are so far from 1 that none tie."""
    spread_heads(model)
    for path, weight in named_weights(model).items():
        if path.endswith("class_logits/kernel"):
            weight.assign(0.02 * weight)
    return model


@pytest.fixture(scope="module")
def model():
    return spread(small_model())


def classes(model):
    head = model.boxes.stages[0].head
    return ClassMap(*(tuple(range(1, head.num_classes + 1)),) * 2)


def picture(height=64, width=64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (height, width, 3)).astype(np.uint8)


def assert_equal(found, plain, atol):
    np.testing.assert_allclose(found.boxes, plain.boxes, atol=atol)
    np.testing.assert_allclose(found.scores, plain.scores, atol=1e-6)
    assert found.labels.tolist() == plain.labels.tolist() and found.size == plain.size
    for one, other in zip(found.masks, plain.masks):
        different = mask_utils.decode(one) != mask_utils.decode(other)
        assert different.sum() <= (0 if not atol else 2)


def test_one_view_at_the_size_of_evaluation_is_the_plain_prediction(model):
    plain = Predictor(model, DATA, classes(model))
    views = ViewsPredictor(model, DATA, classes(model))
    for image, atol in ((picture(), 0), (picture(50, 75, 1), 1e-3)):
        (expected,) = plain.predict([image])
        (found,) = views.predict([image])
        assert len(expected.scores) > 3
        assert len(set(expected.scores.tolist())) == len(expected.scores)
        assert_equal(found, expected, atol)


def test_flip_of_a_symmetric_image_gives_symmetric_results(model):
    """Of two detections that are each other's mirror image and overlap by more than
    the suppression allows, one alone is left."""
    half = picture(64, 32, 2)
    image = np.concatenate([half, half[:, ::-1]], axis=1)
    (found,) = ViewsPredictor(model, DATA, classes(model), flip=True).predict([image])
    boxes, width = found.boxes, 64
    mirrored = np.stack(
        [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1
    )
    limit = model.boxes.select.max_detections
    pairs = 0
    for k, box in enumerate(mirrored):
        same = np.abs(boxes - box).max(1) < 1e-3
        same &= found.labels == found.labels[k]
        partner = np.flatnonzero(same & (np.abs(found.scores - found.scores[k]) < 1e-5))
        if len(partner):
            pairs += partner[0] != k
            own = mask_utils.decode(found.masks[k])[:, ::-1]
            other = mask_utils.decode(found.masks[partner[0]])
            assert (own != other).sum() <= 2
        elif len(found.scores) < limit:
            kept = boxes[found.labels == found.labels[k]]
            corners = [np.c_[b[:, :2], b[:, 2:] - b[:, :2]] for b in (box[None], kept)]
            ious = mask_utils.iou(
                corners[0].astype(float), corners[1].astype(float), [0] * len(kept)
            )
            assert ious.max() > model.boxes.select.nms_iou
    assert pairs


def test_a_mirrored_image_gives_mirrored_results(model):
    image = picture(64, 80, 3)
    views = ViewsPredictor(model, DATA, classes(model), flip=True)
    (found,), (mirrored,) = (
        views.predict([image]),
        views.predict([image[:, ::-1].copy()]),
    )
    np.testing.assert_allclose(
        np.sort(found.scores), np.sort(mirrored.scores), atol=1e-5
    )
    flipped = 80 - mirrored.boxes[:, [2, 1, 0, 3]] * [1, -1, 1, -1]
    flipped[:, [1, 3]] -= 80
    order = [np.lexsort(b.round(2).T) for b in (found.boxes, flipped)]
    np.testing.assert_allclose(found.boxes[order[0]], flipped[order[1]], atol=1e-3)


class Painted:
    """Masks that say in which view they were read: 0.2 in the first, 1 in others."""

    def __init__(self, model):
        self.model, self.boxes = model, model.boxes

    def __call__(self, inputs, **options):
        return self.model(inputs, **options)

    def masks_on(self, features, detections, image_sizes):
        import tensorflow as tf

        small = tf.cast(image_sizes[:, 0] == 64, tf.float32)
        value = 1.0 - 0.8 * small[:, None, None, None]
        return {"masks": value * tf.ones([1, tf.shape(detections.boxes)[1], 28, 28])}


@pytest.mark.parametrize("scales, filled", [((1.0,), False), ((1.0, 2.0), True)])
def test_masks_are_the_mean_over_the_views(model, scales, filled):
    views = ViewsPredictor(Painted(model), DATA, classes(model), scales=scales)
    (found,) = views.predict([picture()])
    pixels = sum(int(mask_utils.area(m)) for m in found.masks)
    assert (pixels > 0) is filled  # (0.2 + 1) / 2 is above one half


def test_sizes_give_more_boxes_to_choose_from(model):
    image = picture(48, 60, 4)
    (plain,) = Predictor(model, DATA, classes(model)).predict([image])
    (found,) = ViewsPredictor(
        model, DATA, classes(model), scales=(0.75, 1.0, 1.5), flip=True
    ).predict([image])
    assert found.scores.mean() >= plain.scores.mean()
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.min() >= 0 and (found.boxes.max(0) <= [60, 48, 60, 48]).all()


def test_a_refining_module_reads_masks_on_given_boxes():
    model = spread(refine_model(classes=False, boxes=False))
    (expected,) = Predictor(model, DATA, classes(model)).predict([picture()])
    (found,) = ViewsPredictor(model, DATA, classes(model)).predict([picture()])
    assert_equal(found, expected, 0)


def test_settings_choose_the_predictor(model):
    def chosen(**changes):
        config = Config(data=DATA)
        config.evaluation = dataclasses.replace(config.evaluation, **changes)
        return make_predictor(model, config, classes(model))

    assert type(chosen()) is Predictor
    assert type(chosen(flip=True)) is ViewsPredictor
    both = chosen(scales=(1.0, 1.5), tile=512, overlap=100)
    assert type(both) is TiledPredictor and type(both.predictor) is ViewsPredictor
    assert (both.tile, both.overlap, both.predictor.scales) == (512, 100, (1.0, 1.5))


def test_a_model_that_reads_no_masks_on_given_boxes_is_refused():
    with pytest.raises(EvaluationError, match="evaluation.flip"):
        ViewsPredictor(lambda inputs, training: {}, DATA, ClassMap((1,), ("a",)))
