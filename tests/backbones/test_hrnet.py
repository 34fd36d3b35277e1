import numpy as np
import pytest
import tensorflow as tf

from tfmask.backbones.hrnet import HighResolutionModule, HRNet
from tfmask.layers.naming import named_weights
from tfmask.models.macs import count_macs
from tfmask.structures import FeatureSpec

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(1, 64, 96, 3)).astype(np.float32)
SMALL = {"width": 8, "modules": (1, 1, 1), "blocks": 1}


def small(**options):
    layer = HRNet(**{**SMALL, **options})
    layer.build((None, None, None, 3))
    return layer


@pytest.mark.slow
def test_convolution_parameters_are_the_published_count():
    layer = HRNet()
    layer.build((None, None, None, 3))
    kernels = [v for k, v in named_weights(layer).items() if k.endswith("kernel")]
    assert sum(int(np.prod(v.shape)) for v in kernels) == 29_248_192


def test_output_spec_is_what_comes_out():
    layer = small()
    outputs = layer(IMAGE)
    assert layer.output_spec["c5"] == FeatureSpec(64, 32)
    assert list(outputs) == list(layer.output_spec) == ["c2", "c3", "c4", "c5"]
    for name, spec in layer.output_spec.items():
        size = (64 // spec.stride, 96 // spec.stride, spec.channels)
        assert tuple(outputs[name].shape[1:]) == size


def test_modules_and_blocks_are_counted():
    names = {path.split("/")[0] for path in named_weights(small(modules=(1, 2, 3)))}
    assert {n for n in names if n.startswith("stage")} == {
        *("stage2_0", "stage3_0", "stage3_1", "stage4_0", "stage4_1", "stage4_2")
    }
    paths = named_weights(small(blocks=2))
    assert "stage4_0/branch3_1/conv2/kernel" in paths


@pytest.mark.parametrize(
    "freeze_at,trained",
    [
        (0, {"stem", "layer1", "transition2", "transition3", "transition4"}),
        (1, {"layer1", "transition2", "transition3", "transition4"}),
        (2, {"transition2", "transition3", "transition4"}),
        (3, {"transition3", "transition4"}),
        (4, {"transition4"}),
        (5, set()),
    ],
)
def test_freeze_at_freezes_parts_from_the_image_on(freeze_at, trained):
    layer = small(freeze_at=freeze_at)
    kept = {id(v) for v in layer.trainable_weights}
    names = {
        path.split("/")[0].split("_")[0].rstrip("12" if path[:4] == "stem" else "")
        for path, v in named_weights(layer).items()
        if id(v) in kept
    }
    stages = {name.replace("transition", "stage") for name in trained}
    assert names == trained | {name for name in stages if name.startswith("stage")}


def test_exchange_by_hand():
    # One channel in each branch and no blocks: the sums alone.
    module = HighResolutionModule((1, 1, 1), 0, norm="none", name="module")
    shapes = [(1, 8 // 2**i, 8 // 2**i, 1) for i in range(3)]
    inputs = [RNG.normal(size=shape).astype(np.float32) for shape in shapes]
    module.build(shapes)
    factors = {"fuse0_1_0": 2.0, "fuse0_2_0": 3.0, "fuse1_0_0": 4.0, "fuse1_2_0": 5.0}
    factors |= {"fuse2_0_0": -1.0, "fuse2_0_1": -6.0, "fuse2_1_0": 7.0}
    weights = named_weights(module)
    assert set(weights) == {
        f"{name}/{kind}" for name in factors for kind in ("kernel", "bias")
    }
    for name, factor in factors.items():
        kernel = np.zeros(weights[f"{name}/kernel"].shape, np.float32)
        kernel[len(kernel) // 2, len(kernel) // 2] = factor
        weights[f"{name}/kernel"].assign(kernel)
    fine, middle, coarse = (x[0, :, :, 0] for x in inputs)

    def enlarged(x, times):
        return x.repeat(times, 0).repeat(times, 1)

    # A 3x3 convolution of stride 2 reads every second cell by its middle tap; there is
    # a ReLU between two of them.
    twice = np.maximum(-fine[::2, ::2], 0)
    expected = [
        fine + 2 * enlarged(middle, 2) + 3 * enlarged(coarse, 4),
        4 * fine[::2, ::2] + middle + 5 * enlarged(coarse, 2),
        -6 * twice[::2, ::2] + 7 * middle[::2, ::2] + coarse,
    ]
    for result, value in zip(module(inputs), expected):
        np.testing.assert_allclose(result[0, :, :, 0], np.maximum(value, 0), atol=1e-5)


def test_cost_of_a_module_by_hand():
    module = HighResolutionModule((4, 8), 1)
    shapes = [(1, 8, 8, 4), (1, 4, 4, 8)]
    module.build(shapes)
    branches = 64 * 2 * 9 * 4 * 4 + 16 * 2 * 9 * 8 * 8
    exchange = 16 * 8 * 4 + 16 * 9 * 4 * 8
    inputs = [tf.TensorSpec(shape) for shape in shapes]
    assert count_macs(module, inputs) == branches + exchange


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="norm='ln'"):
        HRNet(**SMALL, norm="ln")
    with pytest.raises(ValueError, match="freeze_at=6: expected one of 0"):
        HRNet(**SMALL, freeze_at=6)
