import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.box_head import BoxHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.mask_information_flow import MaskInformationFlow
from tfmask.layers.roi_pooling import MultilevelRoIAlign
from tfmask.layers.shape_aware_roi_align import ShapeAwareRoIAlign

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("initializer", ["msra", "zero"])
@pytest.mark.parametrize("lead", [(3,), (2, 3), (0,)])
def test_flow_takes_any_leading_shape(lead, initializer):
    options = {"channels": 8, "initializer": initializer}
    inputs = [normal(*lead, 6, 6, 8), normal(*lead, 6, 6, 4)]
    run_layer_checks(MaskInformationFlow, options, inputs, 2, [(*lead, 6, 6, 8)])


def test_flow_adds_a_rectified_pointwise_convolution():
    layer = MaskInformationFlow(2)
    feature = tf.fill([1, 1, 2, 2], 10.0)
    earlier = tf.constant([[[[1.0, 2.0], [3.0, -1.0]]]])
    layer.build([feature.shape, earlier.shape])
    layer.conv.kernel.assign([[[[1.0, 0.0], [0.0, -1.0]]]])
    layer.conv.bias.assign([0.5, 0.0])
    # cell 1: (1 + 0.5, -2), cell 2: (3 + 0.5, 1); negative ones add nothing
    np.testing.assert_allclose(
        layer([feature, earlier])[0, 0], [[11.5, 10.0], [13.5, 11.0]]
    )


def test_flow_that_starts_at_zero_adds_nothing_and_learns():
    layer = MaskInformationFlow(4, initializer="zero")
    feature, earlier = tf.constant(normal(2, 3, 3, 4)), tf.constant(normal(2, 3, 3, 4))
    layer.build([feature.shape, earlier.shape])
    with tf.GradientTape() as tape:
        out = layer([feature, earlier])
        total = tf.reduce_sum(out * out)
    np.testing.assert_array_equal(out, feature)
    assert tf.convert_to_tensor(tape.gradient(total, layer.conv.kernel)).numpy().any()


def test_refining_parts_make_a_functional_model_that_is_saved(tmp_path):
    levels = {f"p{i}": (64 >> i, 64 >> i, 8) for i in range(2, 6)}
    features = {k: keras.Input(shape, name=k) for k, shape in levels.items()}
    boxes = keras.Input((5, 4), name="boxes")
    masks = keras.Input((5, 28, 28), name="masks")
    hidden = keras.Input((5, 14, 14, 16), name="hidden")
    pooled = ShapeAwareRoIAlign(7)([features, boxes, masks])
    logits, deltas = BoxHead(3, fc_units=16, name="refine_box_head")({"box": pooled})
    roi = MultilevelRoIAlign(14)([features, boxes])
    roi = MaskInformationFlow(8, name="refine_mask_flow")([roi, hidden])
    head = FCNMaskHead(3, channels=16, conv_layers=1, name="refine_mask_head")
    refined = head({"mask": roi})["mask"]
    model = keras.Model(
        [*features.values(), boxes, masks, hidden], [logits, deltas, refined]
    )
    assert [tuple(v.shape) for v in model.outputs] == [
        (None, 5, 4),
        (None, 5, 3, 4),
        (None, 5, 28, 28, 3),
    ]
    corner = RNG.uniform(0, 30, (2, 5, 2))
    inputs = [
        *(normal(2, *shape) for shape in levels.values()),
        np.concatenate([corner, corner + RNG.uniform(4, 30, (2, 5, 2))], -1),
        RNG.uniform(size=(2, 5, 28, 28)),
        normal(2, 5, 14, 14, 16),
    ]
    inputs = [tf.constant(value, tf.float32) for value in inputs]
    path = str(tmp_path / "refine.keras")
    model.save(path)
    twin = keras.models.load_model(path)
    for a, b in zip(model(inputs), twin(inputs)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
