import numpy as np
import pytest
import tensorflow as tf

from tfmask.heads.adaptive_box_head import AdaptiveBoxHead
from tfmask.heads.box_head import BoxHead
from tfmask.layers.naming import named_weights
from tfmask.layers.rois import RoISpec
from tfmask.models.macs import count_macs

RNG = np.random.default_rng(0)


def rois(*lead, levels=4, size=3, channels=4):
    return RNG.normal(size=(*lead, levels, size, size, channels)).astype(np.float32)


def built(head, levels=4, size=7, channels=256):
    head.build({"box": (None, levels, size, size, channels)})
    return head


def draw(head):
    """Weights large enough for differences to be seen."""
    for weight in head.weights:
        weight.assign(RNG.normal(size=weight.shape))
    return head


def test_parameters_are_the_published_counts():
    plain = BoxHead(80)
    plain.build({"box": (None, 7, 7, 256)})
    fc1 = 12_544 * 1024 + 1024
    head = built(AdaptiveBoxHead(80))
    assert head.count_params() - plain.count_params() == 3 * fc1 == 38_538_240
    # With group normalisation: seven convolutions without bias, and scale and offset.
    predictors = 1025 * (81 + 4 * 80)
    head = built(AdaptiveBoxHead(80, form="4conv1fc", norm="gn"))
    assert head.count_params() == 7 * (9 * 256 * 256 + 512) + fc1 + predictors


def test_cost_of_a_roi():
    inputs = {"box": tf.TensorSpec((1, 4, 7, 7, 256))}
    head = built(AdaptiveBoxHead(80))
    last = 1024 * 1024 + 1024 * (81 + 4 * 80)
    assert count_macs(head, inputs) == 4 * 12_544 * 1024 + last
    head = built(AdaptiveBoxHead(80, form="4conv1fc"))
    macs = 7 * 49 * 9 * 256 * 256 + 12_544 * 1024 + 1024 * (81 + 4 * 80)
    assert count_macs(head, inputs) == macs


def test_it_asks_for_every_level():
    assert AdaptiveBoxHead(3).roi_specs == {"box": RoISpec(7, None, "all")}


def test_two_dense_layers_by_hand():
    head = draw(built(AdaptiveBoxHead(2, pool_size=3, fc_units=8), 2, 3, 4))
    x = rois(5, levels=2)
    weights = {path: np.asarray(w) for path, w in named_weights(head).items()}
    levels = [
        np.maximum(
            x[:, i].reshape(5, -1) @ weights[f"fc1_level{i}/kernel"]
            + weights[f"fc1_level{i}/bias"],
            0,
        )
        for i in (0, 1)
    ]
    hidden = np.maximum(*levels) @ weights["fc2/kernel"] + weights["fc2/bias"]
    hidden = np.maximum(hidden, 0)
    logits, deltas = head({"box": x})
    expected = hidden @ weights["class_logits/kernel"] + weights["class_logits/bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    expected = hidden @ weights["deltas/kernel"] + weights["deltas/bias"]
    np.testing.assert_allclose(deltas, expected.reshape(5, 2, 4), rtol=1e-4, atol=1e-4)


def test_convolutions_by_hand():
    options = dict(pool_size=3, form="4conv1fc", channels=4, fc_units=8)
    head = draw(built(AdaptiveBoxHead(2, **options), 2, 3, 4))
    x = rois(5, levels=2)
    weights = {path: tf.constant(w) for path, w in named_weights(head).items()}

    def conv(x, name):
        y = tf.nn.conv2d(x, weights[f"{name}/kernel"], 1, "SAME")
        return tf.nn.relu(y + weights[f"{name}/bias"])

    y = tf.maximum(conv(x[:, 0], "conv1_level0"), conv(x[:, 1], "conv1_level1"))
    for i in (2, 3, 4):
        y = conv(y, f"conv{i}")
    y = tf.reshape(y, [5, -1]) @ weights["fc/kernel"] + weights["fc/bias"]
    y = tf.nn.relu(y) @ weights["class_logits/kernel"] + weights["class_logits/bias"]
    np.testing.assert_allclose(head({"box": x})[0], y, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("form,count", [("2fc", 4), ("4conv1fc", 14)])
def test_group_normalisation_is_where_the_release_has_it(form, count):
    head = AdaptiveBoxHead(2, form=form, norm="gn", channels=32, fc_units=32)
    paths = named_weights(built(head, 4, 7, 8))
    norms = [p for p in paths if p.endswith(("gamma", "beta"))]
    expected = {"2fc": 2, "4conv1fc": 2 * 7}[form]
    assert len(norms) == expected
    assert ("fc2_norm/gamma" in paths) == (form == "2fc")


@pytest.mark.parametrize("form", ["2fc", "4conv1fc"])
@pytest.mark.parametrize("lead", [(0,), (2, 3)])
def test_any_number_of_rois(form, lead):
    options = dict(pool_size=3, form=form, channels=4, fc_units=8)
    head = built(AdaptiveBoxHead(3, class_agnostic=True, **options), 4, 3, 4)
    logits, deltas = tf.function(head)({"box": rois(*lead)})
    assert tuple(logits.shape) == (*lead, 4) and tuple(deltas.shape) == (*lead, 1, 4)
    assert head.compute_output_shape({"box": (*lead, 4, 3, 3, 4)}) == (
        *((*lead, 4), (*lead, 1, 4)),
    )


def test_unknown_words_are_refused():
    for name, word in {"form": "3fc", "norm": "bn", "initializer": "he"}.items():
        with pytest.raises(ValueError, match=f"{name}='{word}'"):
            AdaptiveBoxHead(2, **{name: word})
