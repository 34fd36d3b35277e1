import numpy as np
import pytest
from layer_checks import run_layer_checks
from necks.necks import built, neck_macs, stages

from tfmask.layers.naming import named_weights
from tfmask.necks.fpn import FPN
from tfmask.necks.panet import PANet
from tfmask.structures import FeatureSpec


def test_bottom_up_path_has_the_published_count():
    assert built(PANet()).count_params() - 3_344_384 == 3_540_480
    # With group normalisation the convolutions of the FPN lose their bias, those of
    # the bottom-up path keep theirs.
    fpn, neck = built(FPN(norm="gn")), built(PANet(norm="gn"))
    assert neck.count_params() - fpn.count_params() == 3_540_480 + 6 * 512


def test_cost_of_the_bottom_up_path():
    # Two 3x3 convolutions of 256 channels on P3, P4 and P5.
    cells = 100 * 168 + 50 * 84 + 25 * 42
    difference = neck_macs(built(PANet()), 800, 1344) - neck_macs(
        built(FPN()), 800, 1344
    )
    assert difference == cells * 2 * 9 * 256 * 256


@pytest.mark.parametrize("norm", ["none", "gn"])
def test_layer_checks_and_sizes(norm):
    options = {"channels": 32, "norm": norm}
    # Kernel and bias of each; normalised: kernel, scale and offset, and a bias below.
    count = {"none": 28, "gn": 8 * 3 + 6 * 4}[norm]
    neck, outputs = run_layer_checks(PANet, options, stages(), count)
    sides = [tuple(outputs[f"p{i}"].shape[1:3]) for i in range(2, 7)]
    assert sides == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    assert neck.output_spec["p6"] == FeatureSpec(32, 64)
    assert neck.roi_levels == ("p2", "p3", "p4", "p5")


def test_each_level_is_the_finer_one_downsampled_plus_its_own_by_hand():
    neck, plain = PANet(2), FPN(2)
    inputs = stages()
    for layer in (neck, plain):
        layer.build({k: v.shape for k, v in inputs.items()})
    weights = named_weights(neck)
    for path, weight in named_weights(plain).items():
        weight.assign(weights[path])
    for path, weight in weights.items():
        if path.startswith("bottom_up") and path.endswith("kernel"):
            # The middle tap alone, each channel to itself: no neighbours.
            kernel = np.zeros(weight.shape, np.float32)
            kernel[1, 1] = np.eye(2)
            weight.assign(kernel)
    levels, outputs = plain(inputs), neck(inputs)
    lower = levels["p2"].numpy()
    np.testing.assert_array_equal(outputs["p2"], lower)
    for i in range(3, 6):
        lower = np.maximum(lower[:, ::2, ::2], 0) + levels[f"p{i}"].numpy()
        lower = np.maximum(lower, 0)
        np.testing.assert_allclose(outputs[f"p{i}"], lower, atol=1e-5)
    np.testing.assert_array_equal(outputs["p6"], outputs["p5"][:, ::2, ::2])


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="norm='ln'"):
        PANet(norm="ln")
    with pytest.raises(ValueError, match="initializer='he'"):
        PANet(initializer="he")
