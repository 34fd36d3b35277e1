import collections
import math

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks
from necks.necks import built, neck_macs, stages

from tfmask.layers.adaptive_fusion import AdaptiveFusion
from tfmask.layers.naming import named_weights
from tfmask.layers.squeeze_excitation import SqueezeExcitation
from tfmask.necks.fpn import FPN
from tfmask.necks.iefpn import IEFPN, GlobalInformation

# IEMask R-CNN, Table 8, and the release: what each part has.
PARTS = {
    "fpn_lateral": 984_064,
    "fpn_output": 2_360_320,
    "channel_enhancement": 691_936,
    "global_information": 65_668_864,
    "global_fusion": 1_179_904,
    "bottom_up_down": 590_080,
    "bottom_up_output": 590_080,
    "bottom_up_level": 590_592,
    "adaptive_fusion": 99_456 + 19_202,
}
OFF = {"channel_enhancement": False, "global_information": False, "bottom_up": False}


@pytest.fixture(scope="module")
def full_size():
    return built(IEFPN())


def counts(neck) -> dict[str, int]:
    """Parameters of each part, those of all levels together."""
    numbers = collections.Counter()
    for path, weight in named_weights(neck).items():
        numbers[path.split("/")[0].rstrip("23456")] += math.prod(weight.shape)
    return dict(numbers)


def test_parameters_of_the_parts_are_those_of_the_release(full_size):
    assert counts(full_size) == PARTS
    assert PARTS["fpn_lateral"] + PARTS["fpn_output"] == 3_344_384
    extra = counts(built(IEFPN(global_information=False, convolve_p2=True)))
    assert extra["bottom_up_first"] == 590_080


def test_parameters_of_the_release_and_of_the_paper():
    # Backbone, RPN, box head, encoder-decoder head of the same table.
    rest = 23_454_912 + 593_935 + 14_306_705 + 29_525_584
    assert rest + sum(PARTS.values()) == 140_655_634
    # The table's 75.0 M counts two convolutions that this variant never runs.
    released = IEFPN(global_information=False, convolve_before_fusion=False)
    without = rest + built(released).count_params()
    unused = PARTS["global_fusion"] + PARTS["bottom_up_level"]
    assert without + unused == 74_986_770


def test_cost_is_what_explains_the_published_difference(full_size):
    # Table 8: 13.7 G for global information. conv3 runs with it alone here.
    full, without, released, paper = (
        neck_macs(neck, 800, 1344)
        for neck in (
            full_size,
            built(IEFPN(global_information=False)),
            built(IEFPN(global_information=False, convolve_before_fusion=False)),
            built(IEFPN(global_information=False, convolve_p2=True)),
        )
    )
    fusion = 25 * 42 * 9 * 512 * 256
    convolutions = 13 * 21 * 25 * 2048 * 1024 + 7 * 11 * 25 * 1024 * 512
    assert full - without == convolutions + 512 * 256 + fusion
    assert convolutions / 1e9 == pytest.approx(13.7 * 1344 / 1197, rel=0.02)
    # Eq. 12 on P3 to P5, and Eq. 9 on P2.
    coarser = 100 * 168 + 50 * 84 + 25 * 42
    assert without - released == coarser * 9 * 256 * 256
    assert paper - without == 200 * 336 * 9 * 256 * 256


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_fusion": "add", "convolve_p2": True, "fuse_convolved": True},
        {"adaptive_fusion": False},
        {"convolve_before_fusion": False, "channel_enhancement": False},
        OFF,
    ],
)
def test_layer_checks_and_sizes(options):
    count = len(built(IEFPN(32, **options), (16, 32, 64, 64)).weights)
    neck, outputs = run_layer_checks(
        IEFPN, {"channels": 32, **options}, stages(), count
    )
    sides = [tuple(outputs[f"p{i}"].shape[1:3]) for i in range(2, 7)]
    assert sides == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    assert [s.stride for s in neck.output_spec.values()] == [4, 8, 16, 32, 64]
    assert neck.roi_levels == ("p2", "p3", "p4", "p5")


def test_what_is_switched_off_has_no_layers():
    def layers(**options):
        return set(counts(built(IEFPN(32, **options), (16, 32, 64, 64))))

    path = {"bottom_up_down", "bottom_up_output"}
    fusion = {"adaptive_fusion", "bottom_up_level"}
    scene = {"global_information", "global_fusion"}
    assert layers() == set(PARTS)
    assert layers(**OFF) == {"fpn_lateral", "fpn_output"}
    assert layers(channel_enhancement=False) == set(PARTS) - {"channel_enhancement"}
    assert layers(global_information=False) == set(PARTS) - scene
    assert layers(global_fusion="add") == set(PARTS) - {"global_fusion"}
    assert layers(bottom_up=False) == set(PARTS) - path - fusion
    assert layers(adaptive_fusion=False) == set(PARTS) - fusion
    assert layers(convolve_before_fusion=False) == set(PARTS) - {"bottom_up_level"}


def test_everything_off_is_the_plain_pyramid():
    neck, plain, inputs = IEFPN(8, **OFF), FPN(8), stages()
    for layer in (neck, plain):
        layer.build({k: v.shape for k, v in inputs.items()})
    plain.set_weights(neck.get_weights())
    for name, value in plain(inputs).items():
        np.testing.assert_array_equal(neck(inputs)[name], value)


def test_bottom_up_path_with_a_plain_sum_by_hand():
    options = {**OFF, "bottom_up": True, "adaptive_fusion": False}
    neck, plain, inputs = IEFPN(2, **options), FPN(2), stages()
    for layer in (neck, plain):
        layer.build({k: v.shape for k, v in inputs.items()})
    weights = named_weights(neck)
    for path, weight in named_weights(plain).items():
        weight.assign(weights[path])
    for name in ("bottom_up_down", "bottom_up_output"):
        kernel = np.zeros((3, 3, 2, 2), np.float32)
        kernel[1, 1] = 3 * np.eye(2)
        weights[f"{name}/kernel"].assign(kernel)
        weights[f"{name}/bias"].assign([0.0, 1.0])
    levels, outputs = plain(inputs), neck(inputs)
    lower = levels["p2"].numpy()
    np.testing.assert_array_equal(outputs["p2"], lower)
    for i in range(3, 6):
        lower = 3 * lower[:, ::2, ::2] + [0, 1]
        lower = 3 * (lower + levels[f"p{i}"].numpy()) + [0, 1]
        np.testing.assert_allclose(outputs[f"p{i}"], lower, rtol=1e-4, atol=1e-4)


def test_fusion_mixes_two_maps_by_the_softmax_of_two_scores():
    layer = AdaptiveFusion(32)
    first, second = (np.full((1, 2, 3, 4), v, np.float32) for v in (2.0, 6.0))
    layer.build([first.shape] * 3)
    weights = named_weights(layer)
    weights["scores/kernel"].assign(np.zeros((1, 1, 64, 2), np.float32))
    weights["scores/bias"].assign([math.log(3.0), 0.0])  # softmax: 3/4, 1/4
    mixed = layer([first, second, second])
    np.testing.assert_allclose(mixed, np.full(first.shape, 3.0), rtol=1e-6)


def test_fusion_weighs_by_the_evidence_and_not_by_what_it_adds():
    layer, rng = AdaptiveFusion(32), np.random.default_rng(1)
    first, second, evidence = rng.normal(size=(3, 1, 4, 4, 8)).astype(np.float32)
    layer.build([first.shape] * 3)
    zero = np.zeros_like(second)
    # Linear in what is added while the evidence stays.
    base, whole, twice = (
        layer([first, value, evidence]) for value in (zero, second, 2 * second)
    )
    np.testing.assert_allclose(twice - base, 2 * (whole - base), atol=1e-5)
    assert np.abs(layer([first, second, second]) - whole).max() > 1e-4


@pytest.mark.parametrize(
    "fuse_convolved,expected", [(False, "level"), (True, "convolved")]
)
def test_eq_12_decides_the_weights_and_optionally_what_is_fused(
    fuse_convolved, expected
):
    options = {**OFF, "bottom_up": True, "fuse_convolved": fuse_convolved}
    neck, inputs = IEFPN(32, **options), stages()
    neck.build({k: v.shape for k, v in inputs.items()})
    weights = named_weights(neck)
    weights["adaptive_fusion/scores/kernel"].assign(np.zeros((1, 1, 384, 2)))
    weights["adaptive_fusion/scores/bias"].assign([-100.0, 0.0])  # the level alone
    kernel = np.zeros((3, 3, 32, 32), np.float32)
    kernel[1, 1] = np.eye(32)
    weights["bottom_up_output/kernel"].assign(kernel)
    weights["bottom_up_output/bias"].assign(np.zeros(32))
    weights["bottom_up_level/norm/gamma"].assign(np.zeros(32))
    weights["bottom_up_level/norm/beta"].assign(np.full(32, 7.0))
    p5 = neck(inputs)["p5"].numpy()
    if expected == "convolved":
        np.testing.assert_allclose(p5, np.full(p5.shape, 7.0), atol=1e-4)
    else:
        assert np.abs(p5 - 7.0).max() > 1.0


def test_global_information_is_one_vector_of_the_whole_image():
    layer = GlobalInformation(3)
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 8)).astype(np.float32)
    layer.build(x.shape)
    result = layer(x)
    assert tuple(result.shape) == (2, 1, 1, 3)
    assert layer.compute_output_shape(x.shape) == (2, 1, 1, 3)
    padded = np.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])
    inner = tf.nn.conv2d(padded, layer.conv1.kernel, 2, "VALID") + layer.conv1.bias
    inner = np.pad(inner, [[0, 0], [2, 2], [2, 2], [0, 0]])
    inner = tf.nn.conv2d(inner, layer.conv2.kernel, 2, "VALID") + layer.conv2.bias
    mean = np.mean(inner, (1, 2)) @ layer.project.kernel[0, 0].numpy()
    np.testing.assert_allclose(result[:, 0, 0], mean + layer.project.bias, atol=1e-5)


def test_squeeze_and_excitation_by_hand():
    layer = SqueezeExcitation(reduction=2)
    x = np.float32([[[[1, 3], [3, 5]]]])  # means 2 and 4
    layer.build(x.shape)
    for path, value in {
        "reduce/kernel": [[[[1.0], [0.5]]]],  # 2 + 2
        "reduce/bias": [-1.0],  # 3
        "expand/kernel": [[[[1.0, -1.0]]]],
        "expand/bias": [0.0, 3.0],
    }.items():
        named_weights(layer)[path].assign(value)
    weights = 1 / (1 + np.exp([-3.0, 0.0]))
    np.testing.assert_allclose(layer(x), x * weights, rtol=1e-6)
    run_layer_checks(SqueezeExcitation, {"reduction": 2, "use_bias": False}, x, 2)


def test_initial_values_are_those_of_the_release(full_size):
    weights = named_weights(full_size)
    # PyTorch's default: uniform within 1 / sqrt(fan in), the bias too.
    for path, fan_in in {"fpn_lateral5": 2048, "bottom_up_down": 9 * 256}.items():
        for name in ("kernel", "bias"):
            value, bound = weights[f"{path}/{name}"].numpy(), 1 / math.sqrt(fan_in)
            assert 0.95 * bound < np.abs(value).max() <= bound
    bound = math.sqrt(3 / (9 * 256))  # Caffe2's Xavier
    assert 0.99 * bound < np.abs(weights["fpn_output3/kernel"].numpy()).max() <= bound
    assert not weights["fpn_output3/bias"].numpy().any()


def test_switches_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="fuse_convolved=True"):
        IEFPN(convolve_before_fusion=False, fuse_convolved=True)
    with pytest.raises(ValueError, match="global_fusion='max'"):
        IEFPN(global_fusion="max")
