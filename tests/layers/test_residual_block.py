import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.layers.residual_block import ResidualBlock
from tfmask.models.macs import count_macs

RNG = np.random.default_rng(0)


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


@pytest.mark.parametrize("deformable", ["none", "v1", "modulated"])
def test_cost_of_groups_and_of_displacements(deformable):
    options = {"groups": 4, "width_per_group": 32, "deformable": deformable}
    block = ResidualBlock(16, "bottleneck", **options)
    block.build((None, None, None, 64))
    inner, cells = 4 * 16 // 2, 6 * 8
    macs = cells * (64 * inner + 9 * (inner // 4) * inner + inner * 64)
    predicted = {"none": 0, "v1": 18, "modulated": 27}[deformable]
    macs += cells * 9 * inner * predicted
    assert count_macs(block, tf.TensorSpec((1, 6, 8, 64))) == macs


@pytest.mark.parametrize("deformable", ["v1", "modulated"])
def test_deformable_block_passes_the_layer_checks(deformable):
    x = RNG.normal(size=(1, 8, 8, 32)).astype(np.float32)
    options = {"filters": 16, "kind": "bottleneck", "strides": 2, "groups": 2}
    options["deformable"] = deformable
    run_layer_checks(
        ResidualBlock, options, x, 6, [(1, 4, 4, 64)], float32_layers=("offset",)
    )
