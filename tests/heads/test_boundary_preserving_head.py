"""The mask head of BMask R-CNN, and the Sobel head of its section 4.4."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.heads.sobel_boundary import SobelBoundaryHead
from tfmask.layers.naming import named_weights

RNG = np.random.default_rng(0)
SMALL = {"num_classes": 3, "pool_size": 4, "boundary_size": 8, "channels": 8}
FUSION_1X1 = 256 * 256 + 256
BASE = 2_643_280  # FCNMaskHead at 80 classes


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def inputs(*lead, side=8, channels=6):
    return {
        "mask": normal(*lead, 4, 4, channels),
        "boundary": normal(*lead, side, side, channels),
    }


def small_head(**changes):
    head = BoundaryPreservingMaskHead(**{**SMALL, **changes})
    head.build({k: v.shape for k, v in inputs(1, side=head.boundary_size).items()})
    return head


@pytest.mark.parametrize("to_boundary", [True, False])
@pytest.mark.parametrize("to_mask", [True, False])
@pytest.mark.parametrize("boundary_size", [14, 28])
def test_parameters_are_the_published_count_less_the_fusions_left_out(
    to_boundary, to_mask, boundary_size
):
    head = BoundaryPreservingMaskHead(
        80,
        boundary_size=boundary_size,
        mask_to_boundary=to_boundary,
        boundary_to_mask=to_mask,
    )
    sides = (boundary_size, boundary_size)
    head.build({"mask": (None, 14, 14, 256), "boundary": (None, *sides, 256)})
    # 47,118,080 - 44,343,216: BMask R-CNN against Mask R-CNN.
    added = 2_774_864 - (2 - to_boundary - to_mask) * FUSION_1X1
    assert head.count_params() == BASE + added


@pytest.mark.parametrize(
    "options,side,weights",
    [
        ({}, 8, 28),
        ({"boundary_size": 4}, 4, 28),
        ({"mask_to_boundary": False}, 8, 26),
        ({"boundary_to_mask": False}, 8, 26),
        ({"mask_to_boundary": False, "boundary_to_mask": False}, 8, 24),
        ({"conv_layers": 1, "boundary_conv_layers": 1}, 8, 20),
        ({"background_channel": True, "predictor_initializer": "msra"}, 8, 28),
    ],
)
def test_both_outputs_have_twice_the_side_of_the_mask_feature(options, side, weights):
    run_layer_checks(
        BoundaryPreservingMaskHead,
        {**SMALL, **options},
        inputs(2, side=side),
        weights,
        [(2, 8, 8, 3), (2, 8, 8, 3)],
    )


def test_any_leading_shape_gives_the_same():
    head, features = small_head(), inputs(2, 3)
    nested = head({k: tf.constant(v) for k, v in features.items()})
    flat = head({k: tf.reshape(v, [6, *v.shape[2:]]) for k, v in features.items()})
    for name in ("mask", "boundary"):
        assert nested[name].shape == (2, 3, 8, 8, 3)
        np.testing.assert_allclose(
            tf.reshape(nested[name], [6, 8, 8, 3]), flat[name], atol=1e-6
        )


def test_no_rois_give_empty_outputs():
    out = small_head()({k: tf.constant(v) for k, v in inputs(0).items()})
    assert out["mask"].shape == out["boundary"].shape == (0, 8, 8, 3)


def test_predictors_start_as_the_paper_has_them():
    head = BoundaryPreservingMaskHead(80)
    head.build({"mask": (None, 14, 14, 256), "boundary": (None, 28, 28, 256)})
    weights = named_weights(head)
    for name in ("predictor", "boundary_predictor"):
        assert np.std(weights[f"{name}/kernel"]) == pytest.approx(0.001, rel=0.1)
    for name in ("mask_fcn1", "boundary_fcn1", "downsample", "mask_final_fusion"):
        deviation = np.sqrt(2 / (9 * 256))
        assert np.std(weights[f"{name}/kernel"]) == pytest.approx(deviation, rel=0.05)
    assert not any(np.any(w) for path, w in weights.items() if path.endswith("bias"))


def test_names_are_those_of_the_release():
    layers = {path.split("/")[0] for path in named_weights(small_head())}
    assert layers == {
        *(f"mask_fcn{i}" for i in range(1, 5)),
        *(f"boundary_fcn{i}" for i in (1, 2)),
        "downsample",
        "mask_to_boundary",
        "boundary_to_mask",
        "mask_final_fusion",
        "deconv",
        "predictor",
        "boundary_deconv",
        "boundary_predictor",
    }


def set_identity(head, scale=1.0):
    """Convolutions hand their input on, times `scale`; predictors too."""
    for path, weight in named_weights(head).items():
        layer, kind = path.split("/")
        value = np.zeros(weight.shape, np.float32)
        if kind == "kernel" and "deconv" in layer:
            value[:] = np.eye(weight.shape[-1])
        elif kind == "kernel":
            middle = weight.shape[0] // 2
            value[middle, middle] = scale * np.eye(*weight.shape[2:])
        weight.assign(value)


def test_wiring_by_hand():
    """Constant features 1 (mask) and 10 (boundary) through kernels that double.

    F = 2 (one convolution); G = 20; boundary feature = 2 * (20 + 2 * 2) = 48; mask
    feature = 2 * (2 + 2 * 48) = 196; predictors double once more.
    """
    head = small_head(conv_layers=1, boundary_conv_layers=1, channels=6)
    set_identity(head, 2.0)
    features = {"mask": tf.fill([1, 4, 4, 6], 1.0)}
    features["boundary"] = tf.fill([1, 8, 8, 6], 10.0)
    out = head(features)
    np.testing.assert_allclose(out["mask"], 392.0)
    np.testing.assert_allclose(out["boundary"], 96.0)


def test_fusions_end_in_a_relu_and_nothing_follows_the_sums():
    head = small_head(conv_layers=0, boundary_conv_layers=0, channels=6)
    set_identity(head)
    weights = named_weights(head)
    for name in ("mask_to_boundary", "boundary_to_mask"):
        weights[f"{name}/bias"].assign(tf.fill([6], -100.0))  # their ReLU gives zero
    features = {"mask": tf.fill([1, 4, 4, 6], 3.0)}
    features["boundary"] = tf.fill([1, 8, 8, 6], 5.0)
    out = head(features)
    np.testing.assert_allclose(out["mask"], 3.0)
    np.testing.assert_allclose(out["boundary"], 5.0)
    # Without convolutions before it, a negative mask feature meets the fusion's ReLU
    # alone: the sum itself lets -3 + 5 = 2 through.
    weights["boundary_to_mask/bias"].assign(tf.zeros([6]))
    features["mask"] = tf.fill([1, 4, 4, 6], -3.0)
    np.testing.assert_allclose(head(features)["mask"], 2.0)


def test_stride_two_takes_every_second_cell_from_the_first():
    head = small_head(conv_layers=0, boundary_conv_layers=0, channels=6)
    set_identity(head)
    cells = tf.reshape(tf.range(64.0), [1, 8, 8, 1]) * tf.ones([6])
    features = {"mask": tf.zeros([1, 4, 4, 6]), "boundary": cells}
    hidden = head.trunk(features)["boundary"][0, :, :, 0]
    expected = np.arange(64).reshape(8, 8)[::2, ::2]
    np.testing.assert_allclose(hidden, expected)


def test_boundaries_are_computed_only_where_they_are_named():
    head = small_head()
    hidden = head.trunk({k: tf.constant(v) for k, v in inputs(2).items()})

    def run(names):
        return head.classify(head.upsample(hidden, names), names)

    assert set(run(("mask",))) == {"mask"}
    both = run(head.outputs)
    assert set(both) == {"mask", "boundary"}
    np.testing.assert_array_equal(run(("mask",))["mask"], both["mask"])


def gradients_of(head, output):
    features = {k: tf.Variable(v) for k, v in inputs(2).items()}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(head(features)[output]))
    named = named_weights(head)
    gradients = tape.gradient(loss, [*named.values(), *features.values()])
    names = [*(path.split("/")[0] for path in named), *features]
    return {
        name
        for name, gradient in zip(names, gradients)
        if gradient is not None and np.any(tf.convert_to_tensor(gradient))
    }


MASK_PATH = {"mask", *(f"mask_fcn{i}" for i in range(1, 5))}
BOUNDARY_PATH = {"boundary", "downsample", "boundary_fcn1", "boundary_fcn2"}
MASK_END = {"mask_final_fusion", "deconv", "predictor"}
BOUNDARY_END = {"boundary_deconv", "boundary_predictor"}


@pytest.mark.parametrize(
    "options,mask,boundary",
    [
        (
            {},
            MASK_PATH
            | BOUNDARY_PATH
            | MASK_END
            | {"mask_to_boundary", "boundary_to_mask"},
            MASK_PATH | BOUNDARY_PATH | BOUNDARY_END | {"mask_to_boundary"},
        ),
        (
            {"boundary_to_mask": False},
            MASK_PATH | MASK_END,
            MASK_PATH | BOUNDARY_PATH | BOUNDARY_END | {"mask_to_boundary"},
        ),
        (
            {"mask_to_boundary": False},
            MASK_PATH | BOUNDARY_PATH | MASK_END | {"boundary_to_mask"},
            BOUNDARY_PATH | BOUNDARY_END,
        ),
        (
            {"mask_to_boundary": False, "boundary_to_mask": False},
            MASK_PATH | MASK_END,
            BOUNDARY_PATH | BOUNDARY_END,
        ),
    ],
)
def test_each_output_trains_what_it_reads_and_nothing_else(options, mask, boundary):
    head = small_head(predictor_initializer="msra", **options)
    assert gradients_of(head, "mask") == mask
    assert gradients_of(head, "boundary") == boundary


@pytest.mark.parametrize("side", [7, 21, 56])
def test_other_boundary_sizes_are_refused(side):
    with pytest.raises(ValueError, match=f"boundary_size={side}.*expected 14 or 28"):
        BoundaryPreservingMaskHead(80, boundary_size=side)


def test_background_channels_are_not_handed_out():
    head = small_head(num_classes=2, background_channel=True)
    weights = named_weights(head)
    for i, name in enumerate(("predictor", "boundary_predictor")):
        weights[f"{name}/kernel"].assign(tf.zeros([1, 1, 8, 3]))
        weights[f"{name}/bias"].assign([5.0 + i, 6.0 + i, 7.0 + i])
    out = head({k: tf.constant(v) for k, v in inputs(1).items()})
    np.testing.assert_array_equal(out["mask"][0, 0, 0], [6, 7])
    np.testing.assert_array_equal(out["boundary"][0, 0, 0], [7, 8])


# --- the Sobel head -------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(3,), (2, 3), (0,)])
def test_sobel_head_gives_one_logit_a_cell(lead):
    layer = SobelBoundaryHead()
    masks = tf.constant(RNG.random((*lead, 8, 8)), tf.float32)
    if lead == (0,):
        layer.build(masks.shape)
        assert layer(masks).shape == (0, 8, 8)
    else:
        layer, _ = run_layer_checks(
            SobelBoundaryHead, {}, masks.numpy(), 4, [(*lead, 8, 8)]
        )
    # 3x3 from 2 to 8 and from 8 to 1, with biases; the filters are not weights.
    assert layer.count_params() == 9 * 2 * 8 + 8 + 9 * 8 + 1


def test_sobel_filters_by_hand():
    """A mask whose right half is one: the x filter is 4 along the edge, y is 0.

    Inside the mask both are zero; at the roi's right edge, beyond which is zero, x is
    -4. In the first row only two of three rows count: x is 3 there, and y is
    (1 + 2 + 1) inside the mask, for the row below is there and the one above is not.
    """
    layer = SobelBoundaryHead(channels=4)
    layer.build((None, 6, 6))
    for path, weight in named_weights(layer).items():
        value = np.zeros(weight.shape, np.float32)
        if path == "conv1/kernel":  # x, -x, y, -y: a ReLU keeps both signs
            value[1, 1] = [[1, -1, 0, 0], [0, 0, 1, -1]]
        if path == "conv2/kernel":
            value[1, 1, :, 0] = [1, -1, 100, -100]
        weight.assign(value)
    mask = np.zeros((1, 6, 6), np.float32)
    mask[:, :, 3:] = 1
    got = layer(mask)[0]
    np.testing.assert_allclose(got[3], [0, 0, 4, 4, 0, -4], atol=1e-4)
    np.testing.assert_allclose(got[0], [0, 0, 103, 303, 400, 297], atol=1e-3)


def test_sobel_gradient_reaches_the_mask():
    layer = SobelBoundaryHead()
    masks = tf.Variable(RNG.random((2, 8, 8)).astype(np.float32))
    layer.build(masks.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(masks)))
    assert np.abs(tape.gradient(loss, masks)).min() > 0


def test_mask_branch_of_the_boundary_head_equals_the_plain_head_without_fusion():
    """Without B2M the mask is a plain head with one convolution more."""
    head = small_head(boundary_to_mask=False)
    plain = FCNMaskHead(3, 4, conv_layers=5, channels=8)
    features = {k: tf.constant(v) for k, v in inputs(2).items()}
    plain.build({"mask": features["mask"].shape})
    weights = named_weights(head)
    for path, weight in named_weights(plain).items():
        weight.assign(weights[path.replace("mask_fcn5", "mask_final_fusion")])
    np.testing.assert_allclose(
        head(features)["mask"], plain({"mask": features["mask"]})["mask"], atol=1e-6
    )
