import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.heads.mask_head import FCNMaskHead
from tfmask.layers.roi_pooling import MultilevelRoIAlign, RoIPooling
from tfmask.layers.rois import RoISpec
from tfmask.layers.shape_aware_roi_align import ShapeAwareRoIAlign

RNG = np.random.default_rng(0)
FEATURES = {
    f"p{i}": RNG.normal(size=(2, 128 // 2**i, 128 // 2**i, 8)).astype(np.float32)
    for i in range(2, 6)
}
BOXES = np.array([[[0, 0, 50, 60], [10, 20, 30, 40]], [[5, 5, 100, 90], [0, 0, 8, 8]]])
BOXES = BOXES.astype(np.float32)


def test_padded_boxes_equal_packed_boxes():
    layer = MultilevelRoIAlign(7)
    padded = layer([FEATURES, BOXES])
    packed = layer.pool(
        {k: tf.constant(v) for k, v in FEATURES.items()},
        tf.constant(BOXES.reshape(-1, 4)),
        tf.constant([0, 0, 1, 1]),
    )
    assert padded.shape == (2, 2, 7, 7, 8)
    np.testing.assert_array_equal(tf.reshape(padded, [-1, 7, 7, 8]), packed)


def test_inclusive_boxes_are_pooled_one_pixel_shorter():
    plain, legacy = MultilevelRoIAlign(7), MultilevelRoIAlign(7, inclusive=True)
    shorter = BOXES - np.array([0, 0, 1, 1], np.float32)
    np.testing.assert_array_equal(legacy([FEATURES, BOXES]), plain([FEATURES, shorter]))


def test_a_rule_pools_what_a_spec_declares():
    features = {k: tf.constant(v) for k, v in FEATURES.items()}
    boxes, indices = tf.constant(BOXES.reshape(-1, 4)), tf.constant([0, 0, 1, 1])
    masks = tf.constant(RNG.uniform(size=(4, 28, 28)).astype(np.float32))
    rule = RoIPooling(sampling_ratio=2, canonical_size=56.0)
    options = dict(sampling_ratio=2, canonical_size=56.0)
    for spec, arguments in (
        (RoISpec(7), {}),
        (RoISpec(5, ("p3",)), {"levels": ("p3",)}),
        (RoISpec(3, ("p2", "p4"), "all"), {"levels": ("p2", "p4"), "assign": "all"}),
    ):
        plain = MultilevelRoIAlign(spec.size, **arguments, **options)
        shaped = ShapeAwareRoIAlign(spec.size, **arguments, **options)
        np.testing.assert_array_equal(
            rule.pool(features, spec, boxes, indices),
            plain.pool(features, boxes, indices),
        )
        np.testing.assert_array_equal(
            rule.pool(features, spec, boxes, indices, masks),
            shaped.pool(features, boxes, indices, masks),
        )
    assert rule.pool(features, RoISpec(3, None, "all"), boxes, indices).shape == (
        4, 4, 3, 3, 8,
    )  # fmt: skip


def test_a_rule_survives_json():
    rule = RoIPooling(("p3", "p4"), 2, False, 112.0, True)
    text = json.dumps(keras.saving.serialize_keras_object(rule))
    assert keras.saving.deserialize_keras_object(json.loads(text)) == rule


@pytest.mark.parametrize(
    "levels,assign,message",
    [
        (("p2", "p4"), "by_size", "consecutive"),
        (("p3", "p2"), "by_size", "consecutive"),
        (("p2", "p3"), "largest", "'largest'"),
    ],
)
def test_levels_and_assignments_that_cannot_be_are_refused(levels, assign, message):
    features = {k: tf.constant(v) for k, v in FEATURES.items()}
    spec = RoISpec(3, levels, assign)
    with pytest.raises(ValueError, match=message):
        RoIPooling().pool(features, spec, tf.zeros([1, 4]), tf.constant([0]))


def test_settings_that_cannot_be_are_refused():
    for levels in ((), ("fine",)):
        with pytest.raises(ValueError, match="levels="):
            RoIPooling(levels)
    with pytest.raises(ValueError, match="canonical_size=0.0: expected above 0"):
        RoIPooling(canonical_size=0.0)


def test_a_functional_model_with_a_head_survives_saving(tmp_path):
    features = {
        name: keras.Input(value.shape[1:], name=name)
        for name, value in FEATURES.items()
    }
    boxes = keras.Input((None, 4), name="boxes")
    pooled = MultilevelRoIAlign(size=14)([features, boxes])
    masks = FCNMaskHead(num_classes=3, channels=8, conv_layers=1)({"mask": pooled})
    model = keras.Model({**features, "boxes": boxes}, masks)
    inputs = {**FEATURES, "boxes": BOXES}
    expected = model(inputs)["mask"]
    assert expected.shape == (2, 2, 28, 28, 3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(inputs)["mask"], expected, rtol=1e-4, atol=1e-5)
