import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.boundary_refinement import BoundaryRefinement

RNG = np.random.default_rng(0)
KINDS = ("improved", "original")
SOURCES = ("logits", "features")


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def built(num_classes=3, features=5, **options):
    layer = BoundaryRefinement(num_classes, **options)
    layer.build([(None, 8, 8, num_classes), (None, 8, 8, features)])
    return layer


def with_correction(layer):
    """The projection begins at zero, which hides everything before it."""
    layer.projection.kernel.assign(normal(*layer.projection.kernel.shape))
    return layer


def statistics(layer):
    return [np.array(w) for norm in layer.norms for w in norm.non_trainable_weights]


def trained_numbers(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


@pytest.mark.parametrize(
    "options, count",
    [
        ({}, 16_472),
        ({"prelu": "channel"}, 16_872),
        ({"kind": "original"}, 115_360),
    ],
)
def test_parameters_of_80_classes(options, count):
    assert trained_numbers(built(80, 256, **options)) == count


def test_second_steps_are_3x3_and_the_first_as_asked():
    layer = built(first_kernel=3, projection_kernel=3, modules=2)
    assert [conv.kernel.shape[0] for conv in layer.convs] == [3, 3, 3, 3]
    assert layer.projection.kernel.shape[0] == 3
    assert [conv.kernel.shape[2] for conv in built(modules=3).convs[::2]] == [3, 7, 11]
    assert [conv.kernel.shape[0] for conv in built(modules=2).convs] == [1, 3, 1, 3]


@pytest.mark.parametrize(
    "kind, weights", [("improved", 2 * 2 * 5 + 2), ("original", 4)]
)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("lead", [(4,), (2, 2)])
def test_output_has_the_shape_of_the_logits(kind, weights, source, lead):
    layer = built(kind=kind, source=source, modules=2)
    sublayers = (*layer.norms, *layer.slopes, *layer.convs, layer.projection)
    run_layer_checks(
        BoundaryRefinement,
        {"num_classes": 3, "kind": kind, "source": source, "modules": 2},
        [normal(*lead, 8, 8, 3), normal(*lead, 8, 8, 5)],
        weights,
        [(*lead, 8, 8, 3)],
        float32_layers=[sublayer.name for sublayer in sublayers],
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_training_begins_with_the_logits_as_they_are(kind, training):
    logits = normal(4, 8, 8, 3)
    out = built(kind=kind)([logits, normal(4, 8, 8, 5)], training=training)
    np.testing.assert_array_equal(out, logits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", SOURCES)
def test_correction_depends_on_the_source_alone(kind, source):
    layer = with_correction(built(kind=kind, source=source))
    logits, features = normal(2, 8, 8, 3), normal(2, 8, 8, 5)
    correction = layer([logits, features]) - logits
    assert np.abs(correction).max() > 0.01
    other = {"logits": [logits, features + 1], "features": [logits + 1, features]}
    same = layer(other[source]) - other[source][0]
    np.testing.assert_allclose(same, correction, atol=1e-4)


def test_original_is_two_convolutions():
    layer = with_correction(built(1, kind="original"))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 0] = 1  # the cell to the left
    layer.convs[0].kernel.assign(kernel)
    layer.projection.kernel.assign(2 * kernel)
    logits = np.array([[[1.0, -2.0, 3.0, 4.0]]], np.float32)[..., None]  # [1, 1, 4, 1]
    out = layer([logits, logits])
    # relu(left) = 0 1 0 3; twice its left = 0 0 2 0.
    np.testing.assert_array_equal(out[0, 0, :, 0], [1.0, -2.0, 5.0, 4.0])


def test_module_is_norm_slope_and_convolution_twice():
    layer = built(1, modules=1, growth=1, bottleneck=1)
    for conv, weight in zip(layer.convs, (1.0, 3.0)):
        kernel = np.zeros(conv.kernel.shape, np.float32)
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = weight
        conv.kernel.assign(kernel)
    layer.projection.kernel.assign(np.float32([0.5, 1.0]).reshape(1, 1, 2, 1))
    for slope in layer.slopes:
        assert np.array(slope.alpha).ravel().tolist() == [np.float32(0.001)]
        slope.alpha.assign(tf.fill(slope.alpha.shape, 0.5))
    layer.norms[0].moving_mean.assign([1.0])
    layer.norms[0].moving_variance.assign([4.0 - 1e-5])
    layer.norms[1].moving_variance.assign([1.0 - 1e-5])
    out = layer([np.float32([3.0, -3.0]).reshape(1, 1, 2, 1)] * 2, training=False)
    # (3 - 1) / 2 = 1 -> 1 -> 3: 3 + 0.5 * 3 + 3. (-3 - 1) / 2 = -2 -> -1 -> -0.5 ->
    # -1.5: -3 + 0.5 * -3 - 1.5.
    np.testing.assert_allclose(np.ravel(out), [7.5, -6.0], rtol=1e-5)


def test_slopes_are_one_a_layer_or_one_a_channel():
    scalar, channel = built(modules=1), built(modules=1, prelu="channel")
    assert [int(np.size(s.alpha)) for s in scalar.slopes] == [1, 1]
    assert [int(np.size(s.alpha)) for s in channel.slopes] == [3, 16]
    assert np.unique(channel.slopes[1].alpha).tolist() == [0.25]


def test_training_normalises_by_its_rois_and_remembers_a_tenth():
    layer = with_correction(built())
    logits = 5 + 2 * normal(4, 8, 8, 3)
    layer([logits, logits], training=True)
    mean, variance = statistics(layer)[:2]
    flat = logits.reshape(-1, 3)
    np.testing.assert_allclose(mean, 0.1 * flat.mean(0), rtol=1e-4)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-4)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("stand_in", [False, True])
def test_without_rois_training_leaves_the_statistics_alone(stand_in, graph):
    layer = with_correction(built())
    layer([normal(4, 8, 8, 3)] * 2, training=True)
    before = statistics(layer)
    rows = 1 if stand_in else 0
    inputs = [tf.zeros([rows, 8, 8, 3]), tf.zeros([rows, 8, 8, 5])]
    options = {"empty": tf.constant(True)} if stand_in else {}

    def step():
        with tf.GradientTape() as tape:
            out = layer(inputs, training=True, **options)
            total = tf.reduce_sum(out[:0])
        return out, tape.gradient(total, layer.trainable_weights)

    out, gradients = tf.function(step)() if graph else step()
    assert out.shape == (rows, 8, 8, 3) and np.isfinite(out).all()
    assert all(np.isfinite(g).all() and not np.any(g) for g in gradients)
    for old, new in zip(before, statistics(layer)):
        np.testing.assert_array_equal(old, new)


def test_rows_that_are_rois_are_learned_from_though_the_flag_is_given():
    layer = with_correction(built())
    before = statistics(layer)
    layer([normal(4, 8, 8, 3)] * 2, training=True, empty=tf.constant(False))
    assert all((a != b).any() for a, b in zip(before, statistics(layer)))


def test_gradient_reaches_logits_and_features_and_every_weight():
    for source in SOURCES:
        layer = with_correction(built(source=source, prelu="channel"))
        logits = tf.constant(normal(4, 8, 8, 3))
        features = tf.constant(normal(4, 8, 8, 5))
        with tf.GradientTape() as tape:
            tape.watch([logits, features])
            total = tf.reduce_sum(layer([logits, features], training=True) ** 2)
        read = [logits, features] if source == "features" else [logits]
        gradients = tape.gradient(total, [*read, *layer.trainable_weights])
        assert all(np.abs(g).max() > 0 for g in gradients)


def test_everything_is_float32_under_any_policy():
    layer = with_correction(built(source="features", dtype="mixed_bfloat16"))
    exact = built(source="features")
    exact.set_weights(layer.get_weights())
    logits, features = normal(2, 8, 8, 3), tf.cast(normal(2, 8, 8, 5), tf.bfloat16)
    out = layer([logits, features], training=True)
    assert out.dtype == tf.float32
    expected = exact([logits, tf.cast(features, tf.float32)], training=True)
    np.testing.assert_array_equal(out, expected)
