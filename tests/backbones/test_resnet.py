import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.backbones.resnet import ResNet
from tfmask.layers.naming import named_weights

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(1, 64, 96, 3)).astype(np.float32)


def conv_parameters(layer):
    return sum(
        int(np.prod(v.shape)) for k, v in named_weights(layer).items() if "kernel" in k
    )


def small(**options):
    layer = ResNet(26, 8, freeze_at=0, **options)
    layer.build((None, None, None, 3))
    return layer


@pytest.mark.parametrize("depth,count", [(50, 23_454_912), (101, 42_394_816)])
def test_convolution_parameters_are_the_published_count(depth, count):
    layer = ResNet(depth)
    layer.build((None, None, None, 3))
    assert conv_parameters(layer) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    "options,count",
    [
        ({"groups": 32, "width_per_group": 8}, 86_539_456),
        ({"deformable": "v1"}, 42_394_816 + 1_286_172),
        # 27 numbers for each cell in the place of 18.
        ({"deformable": "modulated"}, 42_394_816 + 1_286_172 * 3 // 2),
    ],
)
def test_parameters_of_the_variants_of_depth_101(options, count):
    layer = ResNet(101, **options)
    layer.build((None, None, None, 3))
    weights = named_weights(layer)
    biases = sum(v.shape[0] for k, v in weights.items() if k.endswith("offset/bias"))
    assert conv_parameters(layer) + biases == count


def test_groups_and_their_width_decide_the_3x3_alone():
    weights = named_weights(small(groups=4, width_per_group=32))
    # Width 8: half of 8, 16, 32, 64 filters in each of four groups.
    for stage, filters in zip((2, 3, 4, 5), (8, 16, 32, 64)):
        inner, block = 4 * filters // 2, f"res{stage}_1"
        shapes = [tuple(weights[f"{block}/conv{i}/kernel"].shape) for i in (1, 2, 3)]
        assert shapes == [
            (1, 1, 4 * filters, inner),
            (3, 3, filters // 2, inner),
            (1, 1, inner, 4 * filters),
        ]


def test_a_grouped_block_is_its_groups_side_by_side():
    layer = small(groups=2)
    conv = layer.blocks[0].convs[1]
    x = RNG.normal(size=(1, 6, 6, 16)).astype(np.float32)
    kernel = conv.kernel.numpy()
    sides = [
        tf.nn.conv2d(x[..., i : i + 8], kernel[..., i : i + 8], 1, "SAME")
        for i in (0, 8)
    ]
    scale, offset = conv.norm_layer.scale_and_offset()
    expected = tf.nn.relu(tf.concat(sides, -1) * scale + offset)
    np.testing.assert_allclose(conv(x), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["v1", "modulated"])
def test_deformable_stages_are_those_that_are_named(kind):
    layer = small(deformable=kind, deformable_stages=(3, 5), stride_in_1x1=False)
    paths = [k for k in named_weights(layer) if "offset" in k]
    assert {path.split("/")[0] for path in paths} == {
        *("res3_0", "res3_1", "res5_0", "res5_1")
    }
    assert {path.split("/", 1)[1] for path in paths} == {
        *("conv2/offset/kernel", "conv2/offset/bias")
    }
    assert layer(IMAGE)["c5"].shape == (1, 2, 3, 256)


def test_deformable_convolutions_begin_as_plain_ones():
    plain, deformable = small(), small(deformable="v1")
    weights = named_weights(deformable)
    for path, weight in named_weights(plain).items():
        weights[path].assign(weight)
    for name, value in plain(IMAGE).items():
        scale = np.abs(value).mean()
        assert np.abs(deformable(IMAGE)[name] - value).max() < 1e-4 * scale


def test_basic_blocks_have_neither_groups_nor_offsets():
    for options in ({"groups": 2}, {"width_per_group": 4}, {"deformable": "v1"}):
        with pytest.raises(ValueError, match="kind='basic': expected a bottleneck"):
            ResNet(18, 8, deformable_stages=(5,), **options)
    with pytest.raises(ValueError, match="deformable='v3': expected one of 'none'"):
        ResNet(26, 8, deformable="v3")
    with pytest.raises(ValueError, match="deformable_stages=6: expected one of 2"):
        ResNet(26, 8, deformable="v1", deformable_stages=(5, 6))


@pytest.mark.parametrize("norm", ["frozen_bn", "gn"])
def test_stages_have_strides_4_to_32(norm):
    options = {"depth": 10, "width": 32, "norm": norm, "freeze_at": 0}
    count = {"frozen_bn": 12, "gn": 36}[norm]
    _, outputs = run_layer_checks(ResNet, options, IMAGE, count)
    assert {k: tuple(v.shape[1:]) for k, v in outputs.items()} == {
        "c2": (16, 24, 32),
        "c3": (8, 12, 64),
        "c4": (4, 6, 128),
        "c5": (2, 3, 256),
    }


@pytest.mark.parametrize("freeze_at", range(6))
def test_freeze_at_freezes_parts_from_the_image_on(freeze_at):
    layer = ResNet(10, 8, freeze_at=freeze_at)
    layer.build((None, None, None, 3))
    trained = [k for k, v in named_weights(layer).items() if _in(v, layer)]
    parts = ("stem", "res2", "res3", "res4", "res5")
    assert {k[:4] for k in trained} == {p[:4] for p in parts[freeze_at:]}


def test_a_file_gives_every_block_its_own_weights(tmp_path):
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, ResNet(18, 8)(image))
    x = RNG.normal(size=(1, 64, 64, 3)).astype(np.float32)
    expected = model(x)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras.Model(image, ResNet(18, 8)(image))
    other.load_weights(tmp_path / "model.weights.h5")
    for again in (keras.models.load_model(tmp_path / "model.keras"), other):
        for name, value in again(x).items():
            np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize("depth", [10, 26])
def test_output_spec_is_what_comes_out(depth):
    layer = ResNet(depth, 8)
    layer.build((None, None, None, 3))
    outputs = layer(IMAGE)
    assert list(outputs) == list(layer.output_spec) == ["c2", "c3", "c4", "c5"]
    for name, spec in layer.output_spec.items():
        size = (64 // spec.stride, 96 // spec.stride, spec.channels)
        assert tuple(outputs[name].shape[1:]) == size


@pytest.mark.parametrize("freeze_at", [-1, 6])
def test_parts_that_are_not_there_cannot_be_frozen(freeze_at):
    with pytest.raises(ValueError, match=f"freeze_at={freeze_at}: expected one of 0"):
        ResNet(10, 8, freeze_at=freeze_at)


def _in(variable, layer):
    return any(variable is v for v in layer.trainable_weights)
