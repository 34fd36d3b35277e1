import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.box_head import BoxHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.rpn_head import RPNHead

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "layer,shape,count",
    [
        (RPNHead(), [(None, None, None, 256)], 593_935),
        (BoxHead(80), {"box": (None, 7, 7, 256)}, 14_306_705),
        (
            BoxHead(80, background_row=True),
            {"box": (None, 7, 7, 256)},
            14_310_805,
        ),
        (FCNMaskHead(80), {"mask": (None, 14, 14, 256)}, 2_643_280),
        (
            FCNMaskHead(80, background_channel=True),
            {"mask": (None, 14, 14, 256)},
            2_643_537,
        ),
    ],
)
def test_parameters_are_the_published_counts(layer, shape, count):
    layer.build(shape)
    assert layer.count_params() == count


def test_rpn_head_is_shared_by_the_levels():
    inputs = [normal(2, 4, 6, 16), normal(2, 2, 3, 16)]
    layer, (logits, deltas) = run_layer_checks(RPNHead, {"channels": 8}, inputs, 6)
    assert [tuple(v.shape) for v in logits] == [(2, 72), (2, 18)]
    assert [tuple(v.shape) for v in deltas] == [(2, 72, 4), (2, 18, 4)]


def test_rpn_outputs_are_ordered_cell_by_cell():
    layer = RPNHead(3, 8)
    x = normal(1, 2, 2, 16)
    layer.build([x.shape])
    logits, deltas = layer([tf.constant(x)])
    hidden = layer.conv(x)
    np.testing.assert_allclose(
        tf.reshape(logits[0], [2, 2, 3]), layer.objectness(hidden)[0], atol=1e-6
    )
    np.testing.assert_allclose(
        tf.reshape(deltas[0], [2, 2, 12]), layer.deltas(hidden)[0], atol=1e-6
    )


# Levels down to one cell, and one side of one cell: every border and corner.
SIDES = [(5, 4), (3, 2), (1, 3), (1, 1)]
CELLS = sum(height * width for height, width in SIDES)


def rpn_head_and_levels():
    layer = RPNHead(3, 8)
    levels = [tf.constant(normal(2, *side, 16)) for side in SIDES]
    layer.build([level.shape for level in levels])
    for weight in layer.trainable_variables:
        weight.assign(0.3 * normal(*weight.shape))
    return layer, levels


def rpn_outputs_by_call(layer, levels, index):
    logits, deltas = (tf.concat(values, axis=1) for values in layer(levels))
    return (
        tf.gather(logits, index, batch_dims=1),
        tf.gather(deltas, index, batch_dims=1),
    )


def test_rpn_outputs_of_chosen_anchors_are_those_of_the_call():
    layer, levels = rpn_head_and_levels()
    every = np.stack([RNG.permutation(3 * CELLS) for _ in range(2)]).astype(np.int32)
    for index in (every, every[:, :1]):
        by_call = rpn_outputs_by_call(layer, levels, index)
        for one, other in zip(layer.at(levels, index), by_call, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_rpn_gradients_of_chosen_anchors_are_those_of_the_call():
    layer, levels = rpn_head_and_levels()
    # Neighbours share cells, and anchors share a cell: their gradients add up.
    index = RNG.integers(0, 3 * CELLS, size=(2, 40), dtype=np.int32)
    weights = normal(2, 40), normal(2, 40, 4)
    gradients = []
    for outputs in (layer.at, lambda *args: rpn_outputs_by_call(layer, *args)):
        with tf.GradientTape() as tape:
            tape.watch(levels)
            logits, deltas = outputs(levels, index)
            loss = tf.reduce_sum(logits * weights[0])
            loss += tf.reduce_sum(deltas * weights[1])
        gradients.append(tape.gradient(loss, [*levels, *layer.trainable_variables]))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("agnostic,rows", [(False, 5), (True, 1)])
@pytest.mark.parametrize("lead", [(6,), (2, 3)])
def test_box_head_takes_any_leading_shape(lead, agnostic, rows):
    options = {"num_classes": 5, "fc_units": 16, "class_agnostic": agnostic}
    inputs = {"box": normal(*lead, 7, 7, 8)}
    shapes = [(*lead, 6), (*lead, rows, 4)]
    run_layer_checks(BoxHead, options, inputs, 8, shapes)


def test_background_row_is_not_handed_out():
    layer = BoxHead(2, fc_units=8, background_row=True)
    x = normal(3, 7, 7, 4)
    layer.build({"box": x.shape})
    layer.deltas.kernel.assign(tf.zeros_like(layer.deltas.kernel))
    layer.deltas.bias.assign(np.arange(12))
    np.testing.assert_array_equal(
        layer({"box": x})[1][0], [[4, 5, 6, 7], [8, 9, 10, 11]]
    )


@pytest.mark.parametrize("lead", [(3,), (1, 3)])
def test_mask_head_doubles_the_side(lead):
    options = {"num_classes": 4, "channels": 8, "conv_layers": 2}
    run_layer_checks(
        FCNMaskHead,
        options,
        {"mask": normal(*lead, 14, 14, 8)},
        8,
        [(*lead, 28, 28, 4)],
    )


def test_mask_head_of_no_rois_is_empty():
    layer = FCNMaskHead(4, channels=8)
    layer.build({"mask": (None, 14, 14, 8)})
    assert layer({"mask": tf.zeros([0, 14, 14, 8])})["mask"].shape == (0, 28, 28, 4)


def test_background_channel_is_not_handed_out():
    layer = FCNMaskHead(2, channels=8, background_channel=True)
    layer.build({"mask": (None, 14, 14, 8)})
    layer.predictor.kernel.assign(tf.zeros_like(layer.predictor.kernel))
    layer.predictor.bias.assign([5.0, 6.0, 7.0])
    out = layer({"mask": normal(1, 14, 14, 8)})["mask"]
    np.testing.assert_array_equal(out[0, 0, 0], [6, 7])
