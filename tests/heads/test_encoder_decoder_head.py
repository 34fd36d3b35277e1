import keras
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


@pytest.mark.parametrize(
    "options, words",
    [
        ({"pool_size": 14}, "pool_size=14: expected a multiple of 4"),
        ({"form": "theirs"}, "form='theirs': expected one of released, paper"),
    ],
)
def test_other_sizes_and_forms_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        EncoderDecoderMaskHead(2, **options)


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
            for weight in (conv.norm.gamma, conv.norm.beta):
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


def test_low_precision_gives_float32_logits():
    head = EncoderDecoderMaskHead(2, 8, channels=32, dtype="mixed_bfloat16")
    x = normal(2, 8, 8, 32)
    head.build({"mask": x.shape})
    exact = EncoderDecoderMaskHead(2, 8, channels=32, predictor_initializer="msra")
    exact.build({"mask": x.shape})
    head.set_weights(exact.get_weights())
    out = head({"mask": tf.cast(x, tf.bfloat16)})["mask"]
    assert out.dtype == tf.float32
    assert np.abs(out - exact({"mask": x})["mask"]).mean() < 0.05


@pytest.mark.parametrize("form", ["released", "paper"])
def test_functional_model_survives_a_file(form, tmp_path):
    feature = keras.Input((4, 8, 8, 32))
    head = EncoderDecoderMaskHead(2, 8, channels=32, form=form)
    model = keras.Model(feature, head({"mask": feature})["mask"])
    x = normal(2, 4, 8, 8, 32)
    expected = model(x).numpy()
    assert expected.shape == (2, 4, 8, 8, 2)
    model.save(tmp_path / "head.keras")
    restored = keras.models.load_model(tmp_path / "head.keras")
    np.testing.assert_allclose(restored(x), expected, rtol=1e-5, atol=1e-6)
