import numpy as np
import pytest
import tensorflow as tf

from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.layers.mask_head import class_logits, mask_predictor
from tfmask.ops.masks import select_class

LABELS = tf.constant([1, 3, 2, 3, 1], tf.int32)
HEADS = {
    "fcn": (FCNMaskHead, {}),
    "boundary_preserving": (BoundaryPreservingMaskHead, {"boundary_size": 14}),
    "encoder_decoder": (EncoderDecoderMaskHead, {"pool_size": 8}),
}


def built(cls, **options):
    head = cls(3, channels=32, **options)
    head.build({name: (None, s.size, s.size, 32) for name, s in head.roi_specs.items()})
    return head


def features(head, dtype=tf.float32):
    shape = [5, head.mask_size, head.mask_size, 32]
    return {
        name: tf.cast(tf.random.stateless_normal(shape, [7, i]), dtype)
        for i, name in enumerate(head.outputs)
    }


def randomise(head):
    for i, name in enumerate(head.outputs):
        predictor = head.predictor_of(name)
        for variable in (predictor.kernel, predictor.bias):
            variable.assign(tf.random.stateless_normal(variable.shape, [i, 3]))


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_the_channel_alone_is_that_of_all_channels(name, background):
    cls, options = HEADS[name]
    head = built(cls, background_channel=background, **options)
    randomise(head)
    maps = features(head)
    every = head.classify(maps, head.outputs)
    alone = head.classify(maps, head.outputs, LABELS)
    assert set(alone) == set(head.outputs)
    for output in head.outputs:
        assert every[output].shape[-1] == 3
        np.testing.assert_allclose(
            alone[output], select_class(every[output], LABELS), atol=2e-5
        )


def test_the_channel_alone_in_bfloat16_is_within_its_rounding():
    head = built(FCNMaskHead, dtype="mixed_bfloat16")
    randomise(head)
    maps = features(head, tf.bfloat16)
    every = select_class(head.classify(maps, ("mask",))["mask"], LABELS)
    alone = head.classify(maps, ("mask",), LABELS)["mask"]
    assert alone.dtype == tf.float32
    assert np.abs(every).max() > 5
    np.testing.assert_allclose(alone, every, rtol=2**-7, atol=2**-6)


def test_class_logits_by_hand():
    predictor = mask_predictor("predictor", 2, "normal", "float32")
    predictor.build((None, None, None, 2))
    predictor.kernel.assign([[[[1.0, 10.0], [2.0, 20.0]]]])  # [1, 1, C, K]
    predictor.bias.assign([0.5, 0.25])
    cells = tf.constant([[[[1.0, 1.0], [0.0, 1.0]]], [[[1.0, 0.0], [2.0, 0.0]]]])
    logits = class_logits(predictor, cells, tf.constant([0, 1]))
    np.testing.assert_allclose(logits, [[[3.5, 2.5]], [[10.25, 20.25]]])
