import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.mask_iou_head import MaskIoUHead

RNG = np.random.default_rng(0)
SMALL = {"num_classes": 3, "pool_size": 6, "channels": 8, "fc_units": 16}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def probabilities(*shape):
    return RNG.random(shape).astype(np.float32)


@pytest.mark.parametrize(
    "background_row, count", [(True, 16_341_329), (False, 16_340_304)]
)
def test_parameters_are_the_published_count(background_row, count):
    head = MaskIoUHead(80, background_row=background_row)
    head.build([(None, 14, 14, 256), (None, 28, 28)])
    assert head.count_params() == count


@pytest.mark.parametrize("lead", [(2,), (1, 2)])
@pytest.mark.parametrize("side", [6, 12, 24])
def test_one_iou_for_each_class(lead, side):
    inputs = [normal(*lead, 6, 6, 4), probabilities(*lead, side, side)]
    run_layer_checks(MaskIoUHead, SMALL, inputs, 14, [(*lead, 3)])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_masks_are_pooled_by_their_maxima(factor):
    head = MaskIoUHead(**SMALL)
    side = 6 * factor
    head.build([(None, 6, 6, 4), (None, side, side)])
    feature, fine = normal(2, 6, 6, 4), probabilities(2, side, side)
    coarse = fine.reshape(2, 6, factor, 6, factor).max((2, 4))
    np.testing.assert_allclose(
        head([feature, fine]), head([feature, coarse]), atol=1e-6
    )
    assert np.abs(head([feature, fine]) - head([feature, fine * 0])).max() > 1e-4


def test_masks_that_do_not_divide_are_refused():
    with pytest.raises(
        ValueError, match="20 cells per side: expected a multiple of 14"
    ):
        MaskIoUHead(2).build([(None, 14, 14, 8), (None, 20, 20)])


def test_background_row_is_not_handed_out():
    head = MaskIoUHead(**SMALL, background_row=True)
    head.build([(None, 6, 6, 4), (None, 12, 12)])
    head.predictor.kernel.assign(tf.zeros_like(head.predictor.kernel))
    head.predictor.bias.assign([9.0, 1.0, 2.0, 3.0])
    out = head([normal(1, 6, 6, 4), probabilities(1, 12, 12)])
    np.testing.assert_array_equal(out, [[1, 2, 3]])


def test_no_rois_give_no_ious():
    head = MaskIoUHead(**SMALL)
    head.build([(None, 6, 6, 4), (None, 12, 12)])
    assert head([tf.zeros([0, 6, 6, 4]), tf.zeros([0, 12, 12])]).shape == (0, 3)
