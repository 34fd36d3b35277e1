import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def multiply_adds(head, side):
    """Of the convolutions on one roi, by the resolution that each stage runs at."""
    sides = {"down1": 2, "down2": 4, "conv1": 4, "conv2": 2, "conv3": 1}
    cells = side * side
    total = cells * np.prod(head.predictor.kernel.shape)
    for conv in head.convs:
        shrunk = sides[conv.name.split("_")[0]] ** 2
        total += cells // shrunk * np.prod(conv.kernel.shape)
    return int(total)


@pytest.mark.parametrize(
    "form, parameters, operations",
    [
        ("released", 29_525_584, 3_715_432_448),
        ("paper", 17_726_800, 2_096_955_392),
    ],
)
def test_parameters_and_operations_are_the_counted_ones(form, parameters, operations):
    head = EncoderDecoderMaskHead(80, form=form)
    head.build({"mask": (None, 28, 28, 256)})
    assert head.count_params() == parameters
    assert multiply_adds(head, 28) == operations


@pytest.mark.parametrize("form, convs", [("released", 8), ("paper", 8)])
@pytest.mark.parametrize("lead", [(2,), (1, 2)])
def test_logits_have_the_side_of_the_feature(form, convs, lead):
    run_layer_checks(
        EncoderDecoderMaskHead,
        {"num_classes": 3, "pool_size": 8, "channels": 32, "form": form},
        {"mask": normal(*lead, 8, 8, 32)},
        4 * convs + 2,
        [(*lead, 8, 8, 3)],
    )


def test_released_form_takes_a_feature_of_another_width():
    head = EncoderDecoderMaskHead(2, 8, channels=32)
    head.build({"mask": (None, 8, 8, 48)})
    assert head({"mask": normal(2, 8, 8, 48)})["mask"].shape == (2, 8, 8, 2)
    wrong = EncoderDecoderMaskHead(2, 8, channels=32, form="paper")
    with pytest.raises(ValueError, match="48 channels: expected 32"):
        wrong.build({"mask": (None, 8, 8, 48)})


def test_sides_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(ValueError, match="pool_size=14: expected a multiple of 4"):
        EncoderDecoderMaskHead(2, pool_size=14)


def test_released_form_begins_as_pytorch_does_and_the_paper_form_as_msra():
    for form, deviation in (("released", 1 / 3), ("paper", 2.0)):
        head = EncoderDecoderMaskHead(80, 4, form=form, channels=64)
        head.build({"mask": (None, 4, 4, 64)})
        for conv in head.convs:
            fan = 9 * conv.kernel.shape[2 if form == "released" else 3]
            assert np.std(conv.kernel) == pytest.approx(
                np.sqrt(deviation / fan), rel=0.05
            )
            bias = np.abs(conv.bias).max() * np.sqrt(fan)
            assert (0.9 < bias <= 1.0) == (form == "released")
            assert (bias == 0.0) == (form == "paper")
        assert np.std(head.predictor.kernel) == pytest.approx(0.001, rel=0.1)
        assert not np.any(head.predictor.bias)


@pytest.mark.parametrize("form", ["released", "paper"])
def test_steps_put_together_are_the_call(form):
    head = EncoderDecoderMaskHead(2, 8, channels=32, form=form)
    x = normal(3, 8, 8, 32)
    head.build({"mask": x.shape})
    hidden = head.trunk({"mask": x})
    assert hidden["mask"].shape == (3, 8, 8, 32)
    logits = head.classify(head.upsample(hidden, ("mask",)), ("mask",))["mask"]
    np.testing.assert_allclose(logits, head({"mask": x})["mask"], atol=1e-5)


@pytest.mark.parametrize("form", ["released", "paper"])
def test_the_fine_feature_reaches_the_end_past_the_bottom(form):
    head = EncoderDecoderMaskHead(2, 8, channels=32, form=form)
    head.build({"mask": (None, 8, 8, 32)})
    for conv in head.convs:
        if conv.name.startswith(("down", "conv1", "conv2")):
            for weight in (conv.norm_layer.gamma, conv.norm_layer.beta):
                weight.assign(tf.zeros_like(weight))
    shifted = [head.trunk({"mask": tf.constant(normal(1, 8, 8, 32))})["mask"]]
    shifted.append(head.trunk({"mask": tf.zeros([1, 8, 8, 32])})["mask"])
    assert np.abs(shifted[0] - shifted[1]).max() > 0.1


def test_no_rois_give_no_masks():
    head = EncoderDecoderMaskHead(3, 8, channels=32)
    head.build({"mask": (None, 8, 8, 32)})
    assert head({"mask": tf.zeros([0, 8, 8, 32])})["mask"].shape == (0, 8, 8, 3)


def test_background_channel_is_not_handed_out():
    head = EncoderDecoderMaskHead(2, 8, channels=32, background_channel=True)
    head.build({"mask": (None, 8, 8, 32)})
    head.predictor.kernel.assign(tf.zeros_like(head.predictor.kernel))
    head.predictor.bias.assign([5.0, 6.0, 7.0])
    out = head({"mask": normal(1, 8, 8, 32)})["mask"]
    np.testing.assert_array_equal(out[0, 0, 0], [6, 7])
