import keras
import numpy as np
import tensorflow as tf

from tfmask.heads.mask_head import FCNMaskHead
from tfmask.layers.roi_pooling import MultilevelRoIAlign

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
