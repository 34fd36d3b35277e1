import numpy as np
import pytest
import tensorflow as tf

from tfmask.heads.adaptive_mask_head import AdaptiveMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.layers.naming import named_weights
from tfmask.layers.rois import RoISpec
from tfmask.models.macs import count_macs

RNG = np.random.default_rng(0)
PLAIN = {"adaptive_pooling": False, "fc_fusion": False}
SMALL = {"pool_size": 4, "channels": 8, "conv_layers": 3}


def built(head, channels=256, levels=4):
    size = head.pool_size
    every = (levels,) if head.adaptive_pooling else ()
    head.build({"mask": (None, *every, size, size, channels)})
    return head


def rois(*lead, size=4, channels=6):
    return RNG.normal(size=(*lead, size, size, channels)).astype(np.float32)


def parameters(**options):
    return built(AdaptiveMaskHead(80, **options)).count_params()


def test_parameters_are_the_published_counts():
    plain = FCNMaskHead(80)
    plain.build({"mask": (None, 14, 14, 256)})
    count = parameters(**PLAIN)
    assert count == plain.count_params() == 2_643_280
    fusion = parameters(adaptive_pooling=False)
    assert fusion - count == 20_554_896
    # Mask R-CNN with PANet's bottom-up path and this: what is counted of a third-party
    # PANet in Detectron2, and the 68.1 M of IEMask R-CNN, Table 8, to half a percent.
    assert 44_343_216 + 3_540_480 + fusion - count == 68_438_592
    assert parameters(fc_fusion=False) - count == 3 * 590_080
    # Without bias, with scale and offset; deconvolution and predictor as before.
    wide, half = 9 * 256 * 256 + 2 * 256, 9 * 256 * 128 + 2 * 128
    whole = 8 * wide + half + 25_088 * 784 + 784 + 262_400 + 20_560
    assert parameters(norm="gn") == whole


def test_cost_of_a_roi():
    def macs(**options):
        head = built(AdaptiveMaskHead(80, **options))
        every = (4,) if head.adaptive_pooling else ()
        return count_macs(head, {"mask": tf.TensorSpec((1, *every, 14, 14, 256))})

    plain, conv = macs(**PLAIN), 196 * 9 * 256 * 256
    assert plain / 1e9 == pytest.approx(0.529859, abs=1e-6)
    # IEMask R-CNN, Table 8: 5.18 G for 26.8 rois.
    fusion = macs(adaptive_pooling=False) - plain
    assert fusion == conv + conv // 2 + 25_088 * 784
    assert fusion * 26.8 / 1e9 == pytest.approx(5.18, abs=0.01)
    assert macs(fc_fusion=False) - plain == 3 * conv


def test_what_it_asks_for_and_gives():
    assert AdaptiveMaskHead(3).roi_specs == {"mask": RoISpec(14, None, "all")}
    head = AdaptiveMaskHead(3, adaptive_pooling=False)
    assert head.roi_specs == {"mask": RoISpec(14)}
    assert head.mask_size == 28 and head.class_layers == ("predictor",)


def test_everything_off_is_the_plain_head():
    head = built(AdaptiveMaskHead(3, **SMALL, **PLAIN), 6)
    plain = FCNMaskHead(3, **SMALL)
    plain.build({"mask": (None, 4, 4, 6)})
    assert list(named_weights(plain)) == list(named_weights(head))
    plain.set_weights(head.get_weights())
    x = rois(5)
    np.testing.assert_array_equal(head({"mask": x})["mask"], plain({"mask": x})["mask"])


def test_levels_are_fused_by_the_maximum_after_their_own_convolution():
    head = built(AdaptiveMaskHead(3, **SMALL, fc_fusion=False), 6, levels=2)
    plain = built(AdaptiveMaskHead(3, **SMALL, **PLAIN), 6)
    weights, x = named_weights(head), rois(5, 2)
    for path, weight in named_weights(plain).items():
        if not path.startswith("mask_fcn1"):
            weight.assign(weights[path])
    # After the first convolution of `plain`, which is made to pass features on.
    levels = []
    for i in (0, 1):
        y = tf.nn.conv2d(x[:, i], weights[f"mask_fcn1_level{i}/kernel"], 1, "SAME")
        levels.append(tf.nn.relu(y + weights[f"mask_fcn1_level{i}/bias"]))
    hidden = tf.maximum(*levels)
    for conv in plain.convs[1:]:
        hidden = conv(hidden)
    expected = plain.classify(plain.upsample({"mask": hidden}, ()), ("mask",))
    result = head({"mask": x})
    np.testing.assert_allclose(result["mask"], expected["mask"], atol=1e-5)


@pytest.mark.parametrize("background_channel", [False, True])
def test_the_mask_of_no_class_is_added_to_every_class(background_channel):
    options = dict(adaptive_pooling=False, background_channel=background_channel)
    head = built(AdaptiveMaskHead(3, **SMALL, **options), 6)
    weights, x = named_weights(head), rois(5)
    weights["fusion_fc/kernel"].assign(np.zeros((4 * 4 * 4, 64)))
    weights["fusion_fc/bias"].assign(np.zeros(64))
    without = head({"mask": x})["mask"]
    values = RNG.normal(size=64)
    weights["fusion_fc/bias"].assign(values)
    added = np.maximum(values, 0).reshape(1, 8, 8, 1)  # row by row
    np.testing.assert_allclose(head({"mask": x})["mask"], without + added, atol=1e-5)


def test_the_mask_of_no_class_begins_before_the_last_convolution():
    head = built(AdaptiveMaskHead(3, **SMALL, adaptive_pooling=False), 6)
    x = rois(2)
    before = head.trunk({"mask": x})["of_no_class"]
    named_weights(head)["mask_fcn3/kernel"].assign(np.zeros((3, 3, 8, 8)))
    np.testing.assert_array_equal(head.trunk({"mask": x})["of_no_class"], before)
    named_weights(head)["mask_fcn2/kernel"].assign(np.zeros((3, 3, 8, 8)))
    assert np.abs(head.trunk({"mask": x})["of_no_class"] - before).max() > 1e-6


@pytest.mark.parametrize("lead", [(0,), (2, 3)])
@pytest.mark.parametrize("options", [{}, PLAIN])
def test_any_number_of_rois(lead, options):
    head = built(AdaptiveMaskHead(3, **SMALL, **options), 6)
    every = () if options else (4,)
    masks = tf.function(head)({"mask": rois(*lead, *every)})["mask"]
    assert tuple(masks.shape) == (*lead, 8, 8, 3)
    shape = {"mask": (*lead, *every, 4, 4, 6)}
    assert head.compute_output_shape(shape) == {"mask": (*lead, 8, 8, 3)}


def test_settings_that_no_head_has_are_refused():
    with pytest.raises(ValueError, match="norm='bn'"):
        AdaptiveMaskHead(2, norm="bn")
    with pytest.raises(ValueError, match="conv_layers=1: expected at least 2"):
        AdaptiveMaskHead(2, conv_layers=1)
    with pytest.raises(ValueError, match="channels=32 with norm='gn': .* of 64"):
        AdaptiveMaskHead(2, channels=32, norm="gn")
    AdaptiveMaskHead(2, channels=32, norm="gn", fc_fusion=False)
