import keras
import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import IMPLEMENTATIONS
from layer_checks import run_layer_checks

from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.layers.shape_aware_roi_align import ShapeAwareRoIAlign

RNG = np.random.default_rng(0)
FEATURES = {
    f"p{i}": RNG.normal(size=(2, 128 // 2**i, 128 // 2**i, 8)).astype(np.float32)
    for i in range(2, 6)
}
BOXES = np.array([[[0, 0, 50, 60], [10, 20, 30, 40]], [[5, 5, 100, 90], [0, 0, 8, 8]]])
BOXES = BOXES.astype(np.float32)
MASKS = RNG.uniform(size=(2, 2, 28, 28)).astype(np.float32)


@pytest.fixture(params=IMPLEMENTATIONS, autouse=True)
def implementation(request, monkeypatch):
    """Every test runs with the stock ops and with the compiled one."""
    mode = "off" if request.param == "stock" else "require"
    monkeypatch.setenv("TFMASK_CUSTOM_OPS", mode)


def test_layer_contract():
    run_layer_checks(
        ShapeAwareRoIAlign,
        {"size": 7, "sampling_ratio": 2, "levels": ("p3", "p4")},
        [FEATURES, BOXES, MASKS],
        0,
        [(2, 2, 7, 7, 8)],
    )


def test_padded_boxes_equal_packed_boxes():
    layer = ShapeAwareRoIAlign(7)
    padded = layer([FEATURES, BOXES, MASKS])
    packed = layer.pool(
        {k: tf.constant(v) for k, v in FEATURES.items()},
        tf.constant(BOXES.reshape(-1, 4)),
        tf.constant([0, 0, 1, 1]),
        tf.constant(MASKS.reshape(-1, 28, 28)),
    )
    np.testing.assert_array_equal(tf.reshape(padded, [-1, 7, 7, 8]), packed)


def test_a_mask_of_ones_is_roi_align():
    for inclusive in (False, True):
        options = dict(size=7, inclusive=inclusive, aligned=not inclusive)
        plain = MultilevelRoIAlign(**options)([FEATURES, BOXES])
        ones = ShapeAwareRoIAlign(**options)([FEATURES, BOXES, np.ones_like(MASKS)])
        np.testing.assert_allclose(ones, plain, atol=1e-6)


def test_the_gradient_reaches_features_and_masks():
    features = {k: tf.constant(v) for k, v in FEATURES.items()}
    masks = tf.constant(MASKS)
    with tf.GradientTape() as tape:
        tape.watch([features, masks])
        pooled = ShapeAwareRoIAlign(7)([features, tf.constant(BOXES), masks])
        total = tf.reduce_sum(pooled**2)
    by_feature, by_mask = tape.gradient(total, [features["p2"], masks])
    assert np.abs(tf.convert_to_tensor(by_feature)).max() > 0
    assert np.abs(tf.convert_to_tensor(by_mask)).max() > 0


def test_a_functional_model_survives_saving(tmp_path):
    features = {
        name: keras.Input(value.shape[1:], name=name)
        for name, value in FEATURES.items()
    }
    boxes = keras.Input((None, 4), name="boxes")
    masks = keras.Input((None, 28, 28), name="masks")
    pooled = ShapeAwareRoIAlign(size=7, sampling_ratio=2)([features, boxes, masks])
    model = keras.Model({**features, "boxes": boxes, "masks": masks}, pooled)
    inputs = {**FEATURES, "boxes": BOXES, "masks": MASKS}
    expected = model(inputs)
    assert expected.shape == (2, 2, 7, 7, 8)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(inputs), expected, atol=1e-6)
