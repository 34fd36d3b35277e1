import keras
import numpy as np
import pytest
from layer_checks import run_layer_checks

from tfmask.backbones.resnet import ResidualBlock, ResNet
from tfmask.layers.naming import named_weights

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(1, 64, 96, 3)).astype(np.float32)


def conv_parameters(layer):
    return sum(
        int(np.prod(v.shape)) for k, v in named_weights(layer).items() if "kernel" in k
    )


@pytest.mark.parametrize("depth,count", [(50, 23_454_912), (101, 42_394_816)])
def test_convolution_parameters_are_the_published_count(depth, count):
    layer = ResNet(depth)
    layer.build((None, None, None, 3))
    assert conv_parameters(layer) == count


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


@pytest.mark.parametrize("in_1x1", [True, False])
def test_bottleneck_strides_where_told(in_1x1):
    block = ResidualBlock(8, "bottleneck", strides=2, stride_in_1x1=in_1x1)
    block.build((None, None, None, 32))
    x = RNG.normal(size=(1, 8, 8, 32)).astype(np.float32)
    changed = x.copy()
    changed[:, 1::2, 1::2] += 1.0  # cells that a stride in the first 1x1 skips
    same = np.array_equal(block(x), block(changed))
    assert same == in_1x1


def test_bottleneck_passes_the_layer_checks():
    x = RNG.normal(size=(1, 8, 8, 32)).astype(np.float32)
    options = {"filters": 16, "kind": "bottleneck", "strides": 2, "norm": "frozen_bn"}
    run_layer_checks(ResidualBlock, options, x, 4, [(1, 4, 4, 64)])
