import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfmask.layers.normalization import Normalization

SIZES = np.array([[2, 3], [1, 2]], np.int32)


def images(dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (2, 2, 3, 3)).astype(dtype)


def test_table_of_one_pixel():
    layer = Normalization((10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
    pixel = np.array([[[[14, 16, 30]]]], np.uint8)
    result = layer([pixel, np.array([[1, 1]], np.int32)])
    np.testing.assert_array_equal(result, [[[[2.0, -1.0, 0.0]]]])


def test_padding_is_zero_afterwards():
    result = np.array(Normalization()([images(), SIZES]))
    assert (result[0] != 0).all()
    assert (result[1, 1] == 0).all() and (result[1, :, 2] == 0).all()
    assert (result[1, 0, :2] != 0).all()


def test_bgr_reverses_the_channels_after_each_has_its_own_mean():
    rgb = Normalization()([images(), SIZES])
    bgr = Normalization(channel_order="bgr")([images(), SIZES])
    np.testing.assert_array_equal(bgr, np.array(rgb)[..., ::-1])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_pixels_of_any_type_give_float32_under_any_policy(policy):
    layer = Normalization(dtype=policy)
    results = [layer([images(kind), SIZES]) for kind in (np.uint8, np.float32)]
    assert all(result.dtype == "float32" for result in results)
    np.testing.assert_array_equal(*results)


def test_comes_back_from_json():
    layer = Normalization((1.0, 2.0), (3.0, 4.0), channel_order="bgr")
    config = json.loads(json.dumps(layer.get_config()))
    again = Normalization.from_config(config)
    assert again.get_config() == layer.get_config()
    assert again.mean == (1.0, 2.0) and again.channels == 2


def test_comes_back_from_a_keras_file(tmp_path):
    inputs = [keras.Input((None, None, 3)), keras.Input((2,), dtype="int32")]
    model = keras.Model(inputs, Normalization(std=(1.0, 2.0, 4.0))(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    batch = [images(np.float32), SIZES]
    np.testing.assert_array_equal(again(batch), model(batch))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel_order": "grb"}, "channel_order='grb': expected one of 'rgb', 'bgr'"),
        ({"std": (1.0, 0.0, 1.0)}, "none of them zero"),
        ({"mean": (1.0,)}, "as many deviations as means"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Normalization(**options)


def test_images_of_other_channels_are_refused_and_open_ones_are_not():
    layer = Normalization((1.0,) * 4, (1.0,) * 4)
    with pytest.raises(ValueError, match="images of 3 channels: expected 4"):
        layer([tf.zeros([1, 8, 8, 3], tf.uint8), tf.constant([[8, 8]])])
    result = layer([tf.zeros([1, 8, 8, 4], tf.uint8), tf.constant([[8, 8]])])
    assert result.shape == (1, 8, 8, 4)
