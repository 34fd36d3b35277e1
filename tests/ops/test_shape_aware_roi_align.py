import numpy as np
import pytest
import tensorflow as tf
from compiled_ops import BUILT, COMPILED
from roi_align_reference import gradients, pool
from shape_aware_cases import BOXES, IMAGES, LEVELS, STRIDES, both, call, inputs

from tfmask.ops.roi_levels import LevelsBySize
from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align


def differentiate(features, masks, grad, *args, **kwargs):
    features = [tf.constant(f) for f in features]
    masks = tf.constant(masks)
    with tf.GradientTape() as tape:
        tape.watch([*features, masks])
        pooled = call(features, masks, *args, **kwargs)
    found = tape.gradient(pooled, [*features, masks], tf.constant(grad))
    *by_feature, by_mask = [tf.convert_to_tensor(g).numpy() for g in found]
    return by_feature, by_mask


@both
def test_hand_table(implementation):
    # f(y, x) = 5 y + x. One bin of 2x2 samples in the box (1, 1, 3, 3): at 1.5 and 2.5
    # on both axes, where f is 9, 10 / 14, 15. A 2x2 mask is read at u = (k + 1/2) / 2 *
    # 2 - 1/2 = k, its own cells: (9 * 1 + 10 * 0 + 14 / 2 + 15 / 4) / 4 = 4.9375.
    features = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
    masks = tf.constant([[[1.0, 0.0], [0.5, 0.25]]])
    with tf.GradientTape() as tape:
        tape.watch([features, masks])
        pooled = shape_aware_roi_align(
            [features], tf.constant([[1.0, 1, 3, 3]]), [0], [0], masks, 1, [1.0], 2,
            False, implementation,
        )  # fmt: skip
    found = tape.gradient(pooled, [features, masks])
    by_feature, by_mask = map(tf.convert_to_tensor, found)
    assert pooled.numpy().ravel() == pytest.approx([4.9375], abs=1e-5)
    np.testing.assert_allclose(by_mask[0], [[2.25, 2.5], [3.5, 3.75]], atol=1e-5)
    # Each sample lies amid four cells, with weight p / 4 samples / 4 cells on each.
    sixteenths = np.zeros((5, 5))
    sixteenths[1:3, 1:3] += 1.0
    sixteenths[2:4, 1:3] += 0.5
    sixteenths[2:4, 2:4] += 0.25
    np.testing.assert_allclose(by_feature[0, ..., 0], sixteenths / 16, atol=1e-6)


@both
def test_one_sample_amid_two_pixels_reads_their_mean(implementation):
    # u = 1/2 * 2 - 1/2 = 1/2: (0.2 + 0.6) / 2.
    pooled = shape_aware_roi_align(
        [tf.ones([1, 5, 5, 1])], tf.constant([[1.0, 1, 3, 3]]), [0], [0],
        tf.constant([[[0.2, 0.6]]]), 1, [1.0], 1, True, implementation,
    )  # fmt: skip
    assert pooled.numpy().ravel() == pytest.approx([0.4], abs=1e-6)


@both
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_equal_the_equation(
    implementation, dtype, sampling, aligned
):
    features, masks = inputs(dtype)
    grad = np.random.default_rng(1).normal(size=(len(BOXES), 3, 3, 3)).astype(dtype)
    layout = (BOXES, IMAGES, LEVELS, masks, 3, STRIDES, sampling, aligned)
    options = (3, implementation, sampling, aligned)
    # crop_and_resize computes its places in float32.
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    pooled = call(features, masks, *options)
    assert pooled.dtype == dtype
    np.testing.assert_allclose(pooled, pool(features, *layout), atol=tolerance)
    by_feature, by_mask = differentiate(features, masks, grad, *options)
    expected_features, expected_masks = gradients(features, *layout, grad)
    for got, expected in zip(by_feature, expected_features):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, atol=5 * tolerance)
    np.testing.assert_allclose(by_mask, expected_masks, atol=5 * tolerance)


@both
@pytest.mark.parametrize("channels", [1, 15, 16, 17, 130, 257])
def test_any_number_of_channels(implementation, channels):
    features, masks = inputs(channels=channels)
    grad = np.random.default_rng(1).normal(size=(len(BOXES), 2, 2, channels))
    layout = (BOXES, IMAGES, LEVELS, masks, 2, STRIDES, 2, True)
    pooled = call(features, masks, 2, implementation)
    np.testing.assert_allclose(pooled, pool(features, *layout), atol=2e-4)
    by_feature, by_mask = differentiate(
        features, masks, grad.astype(np.float32), 2, implementation
    )
    expected_features, expected_masks = gradients(features, *layout, grad)
    for got, expected in zip(by_feature, expected_features):
        np.testing.assert_allclose(got, expected, atol=1e-3)
    np.testing.assert_allclose(by_mask, expected_masks, atol=4e-3)


@both
def test_plain_roi_align_is_a_mask_of_ones(implementation):
    features, masks = inputs()
    plain = call(features, None, 3, implementation)
    ones = call(features, np.ones_like(masks), 3, implementation)
    np.testing.assert_allclose(plain, ones, atol=1e-6)
    layout = (BOXES, IMAGES, LEVELS, None, 3, STRIDES, 2, True)
    np.testing.assert_allclose(plain, pool(features, *layout), atol=2e-4)


@both
def test_7x7_bins_of_a_28x28_mask_pool_it_2x2(implementation):
    features, masks = inputs(mask_shape=(28, 28))
    samples = call(features, None, 14, implementation, sampling=1)
    mask = tf.nn.avg_pool2d(masks[..., np.newaxis], 2, 2, "VALID")
    expected = tf.nn.avg_pool2d(samples * mask, 2, 2, "VALID")
    got = call(features, masks, 7, implementation, sampling=2)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@both
def test_a_mask_of_one_pixel_scales_the_box(implementation):
    features, _ = inputs()
    factors = np.linspace(0, 1, len(BOXES), dtype=np.float32)[:, None, None]
    got = call(features, factors, 3, implementation)
    plain = call(features, None, 3, implementation)
    np.testing.assert_allclose(got, plain * factors[..., None], atol=1e-6)


@both
def test_the_border_cell_is_read_up_to_one_cell_away(implementation):
    features = tf.reshape(tf.range(25.0), [1, 5, 5, 1])
    # One sample in the middle of each box, at y = 2 and the given x.
    places = np.array([-1.0, -1.01, 5.0, 5.01], np.float32)
    boxes = np.stack([places - 0.5, 0 * places + 1.5, places + 0.5, 0 * places + 2.5])
    pooled = shape_aware_roi_align(
        [features], tf.constant(boxes.T), [0] * 4, [0] * 4, None, 1, [1.0], 1, False,
        implementation,
    )  # fmt: skip
    np.testing.assert_allclose(pooled.numpy().ravel(), [10, 0, 14, 0], atol=1e-5)


@both
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("with_masks", [False, True])
def test_levels_by_size_are_the_levels_of_the_rule(
    implementation, with_masks, inclusive
):
    features, masks = inputs()
    masks = masks if with_masks else None
    rule = LevelsBySize((1000.0,))
    levels = rule.assign(tf.constant(BOXES))
    assert 0 < np.sum(levels) < len(BOXES)
    pixel = np.float32([0, 0, 1, 1]) * np.float32(inclusive)
    grad = tf.random.stateless_normal([len(BOXES), 3, 3, 3], [1, 2])
    results = []
    for boxes, chosen, shrunk in (
        (BOXES, rule, inclusive),
        (BOXES - pixel, levels.numpy(), False),
    ):
        watched = [tf.constant(f) for f in features]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            pooled = shape_aware_roi_align(
                watched, tf.constant(boxes), IMAGES, chosen, masks, 3, STRIDES, 2,
                True, implementation, inclusive=shrunk,
            )  # fmt: skip
        results.append([pooled, *tape.gradient(pooled, watched, grad)])
    for got, expected in zip(*results):
        np.testing.assert_allclose(
            tf.convert_to_tensor(got), tf.convert_to_tensor(expected), atol=1e-6
        )


def test_a_rule_for_another_number_of_levels_is_refused():
    features, masks = inputs()
    with pytest.raises(ValueError, match="expected 1 areas for 2 feature maps"):
        shape_aware_roi_align(
            features, BOXES, IMAGES, LevelsBySize((1.0, 2.0)), masks, 3, STRIDES
        )


@pytest.mark.parametrize("implementation", [COMPILED])
@pytest.mark.parametrize("areas", [(0.0,), (float("nan"),)])
def test_areas_that_are_not_positive_are_refused(implementation, areas):
    features, masks = inputs()
    with pytest.raises(tf.errors.InvalidArgumentError, match="areas above 0"):
        shape_aware_roi_align(
            features, BOXES, IMAGES, LevelsBySize(areas), masks, 3, STRIDES,
            implementation=implementation,
        )  # fmt: skip


@pytest.mark.parametrize("implementation", [COMPILED])
def test_a_call_by_size_is_one_op(implementation):
    features, _ = inputs()
    halves = [tf.cast(f, tf.bfloat16) for f in features]

    @tf.function
    def graph(fine, coarse, boxes, batch_indices):
        return shape_aware_roi_align(
            [fine, coarse], boxes, batch_indices, LevelsBySize((1000.0,)), None, 3,
            STRIDES, implementation=implementation, inclusive=True,
        )  # fmt: skip

    concrete = graph.get_concrete_function(*halves, BOXES, IMAGES)
    kinds = [op.type for op in concrete.graph.get_operations()]
    launched = [
        k for k in kinds if k not in ("Placeholder", "Const", "Identity", "NoOp")
    ]
    assert launched == ["StopGradient", "Tfmask>ShapeAwareRoiAlign"]  # a copy of none


@both
@pytest.mark.parametrize("sampling", [0, 2])
def test_no_boxes_give_an_empty_result_and_zero_gradients(implementation, sampling):
    features, masks = inputs()
    by_feature, by_mask = differentiate(
        features,
        masks[:0],
        np.zeros((0, 3, 3, 3), np.float32),
        3,
        implementation,
        sampling,
        boxes=BOXES[:0],
        batch_indices=IMAGES[:0],
        levels=LEVELS[:0],
    )
    assert by_mask.shape == (0, 5, 6)
    for got, feature in zip(by_feature, features):
        np.testing.assert_array_equal(got, np.zeros_like(feature))


@both
def test_boxes_that_are_not_finite_read_the_origin(implementation):
    features, masks = inputs()
    bad = np.array([[np.nan] * 4, [0, 0, np.inf, 5], [-np.inf, 0, 3, 5]], np.float32)
    named = dict(batch_indices=[0, 0, 0], levels=[0, 1, 0])
    got = call(features, masks[:3], 3, implementation, boxes=bad, **named)
    zeros = np.zeros_like(bad)
    origin = call(features, masks[:3], 3, implementation, boxes=zeros, **named)
    np.testing.assert_array_equal(got, origin)


@both
def test_a_feature_that_is_nan_reaches_the_bins_that_read_it_and_no_other(
    implementation,
):
    features, masks = inputs()
    clean = call(features, masks, 3, implementation).numpy()
    features[0][0, 2, 2, 1] = np.nan
    got = call(features, masks, 3, implementation).numpy()
    assert np.isnan(got[0, 0, 0, 1])
    changed = np.zeros(got.shape, bool)
    changed[0, :, :, 1] = True  # the one box of image 0, level 0 that is near
    np.testing.assert_allclose(got[~changed], clean[~changed], atol=1e-6)


@both
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "changed, message",
    [
        ({"batch_indices": [0, 1, 2, 0, 0, 0, 0, 0, 0]}, "roi.*2.*batch index.*2.*1"),
        ({"batch_indices": [0, -1, 0, 0, 0, 0, 0, 0, 0]}, "roi.*1.*batch index.*-1"),
        ({"levels": [0, 0, 0, 0, 2, 0, 0, 0, 0]}, "roi.*4.*level.*2.*1"),
        ({"levels": [0, 0, 0, 0, 0, 0, 0, -7, 0]}, "roi.*7.*level.*-7"),
    ],
)
def test_indices_out_of_range_are_named(implementation, graph, changed, message):
    features, masks = inputs()
    changed = {k: np.array(v, np.int32) for k, v in changed.items()}

    def run():
        return call(features, masks, 3, implementation, **changed)

    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
        tf.function(run)() if graph else run()


@both
@pytest.mark.parametrize(
    "changed",
    [
        {"boxes": BOXES[:, :3]},
        {"boxes": BOXES[:-1]},
        {"batch_indices": IMAGES[:-1]},
        {"levels": LEVELS[:-1]},
    ],
)
def test_shapes_that_do_not_fit_are_an_error(implementation, changed):
    features, masks = inputs()
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected"):
        call(features, masks, 3, implementation, **changed)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected"):
        call(features, masks[:-1], 3, implementation)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected"):
        call(features, masks[:, :0], 3, implementation)


def test_one_stride_for_each_map():
    features, masks = inputs()
    with pytest.raises(ValueError, match="2 feature maps and 1 strides"):
        shape_aware_roi_align(features, BOXES, IMAGES, LEVELS, masks, 3, [4.0])


@both
def test_shapes_are_known_in_a_graph(implementation):
    features, masks = inputs()
    shapes = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([2, None, None, 3]),
            tf.TensorSpec([2, None, None, 3]),
            tf.TensorSpec([9, 5, 6]),
        ]
    )
    def graph(fine, coarse, masks):
        pooled = call([fine, coarse], masks, 3, implementation)
        shapes.append(pooled.shape)
        found = tf.gradients(pooled, [fine, masks])
        return [tf.convert_to_tensor(g) for g in found]

    by_feature, by_mask = graph(*features, masks)
    assert shapes[0][1:] == (3, 3, 3)
    if implementation == "compiled":
        assert shapes[0] == (9, 3, 3, 3)
    assert by_feature.shape == features[0].shape and by_mask.shape == masks.shape


@both
def test_boxes_have_no_gradient(implementation):
    features, masks = inputs()
    boxes = tf.constant(BOXES)
    with tf.GradientTape() as tape:
        tape.watch(boxes)
        total = tf.reduce_sum(call(features, masks, 3, implementation, boxes=boxes))
    assert tape.gradient(total, boxes) is None


@pytest.mark.parametrize("implementation", [COMPILED])
def test_two_runs_of_the_gradient_have_the_same_bits(implementation):
    features, masks = inputs(channels=64)
    grad = np.random.default_rng(1).normal(size=(len(BOXES), 7, 7, 64)).astype("f4")
    first = differentiate(features, masks, grad, 7, implementation)
    second = differentiate(features, masks, grad, 7, implementation)
    for a, b in zip([*first[0], first[1]], [*second[0], second[1]]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not BUILT, reason="the compiled ops are not built")
def test_the_compiled_op_is_the_default_where_it_is_built():
    features, masks = inputs()
    traced = tf.function(lambda: call(features, masks, 3, "auto"))
    names = {op.type for op in traced.get_concrete_function().graph.get_operations()}
    assert "Tfmask>ShapeAwareRoiAlign" in names
