import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfmask.config import BoundaryConfig
from tfmask.losses import boundary as losses

LOSSES = ("dice_bce", "dice", "bce", "weighted_bce")

# A 5 x 5 map with a block of 3 x 4 cells that touches the right edge, and its boundary
# by hand: the middle row's inner cells have all eight neighbours inside, but for the
# last one, whose right neighbours are beyond the map.
BLOCK = np.float32(
    [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1],
        [0, 1, 1, 1, 1],
        [0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]
)
EDGE = np.float32(
    [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1],
        [0, 1, 0, 0, 1],
        [0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]
)


def maps(*values):
    return tf.constant(np.stack(values))


def constant(probability, count=1, side=5):
    return tf.fill([count, side, side], float(np.log(probability / (1 - probability))))


def test_boundary_of_a_block_by_hand():
    np.testing.assert_array_equal(losses.boundary_targets(maps(BLOCK))[0], EDGE)


def test_full_and_empty_masks_by_hand():
    full = np.ones((5, 5), np.float32)
    ring = full.copy()
    ring[1:4, 1:4] = 0  # the cells along the edge of the map
    got = losses.boundary_targets(maps(full, 0 * full))
    np.testing.assert_array_equal(got, np.stack([ring, 0 * full]))


def test_a_hole_of_one_cell_has_its_eight_neighbours_as_boundary():
    mask = np.ones((7, 7), np.float32)
    mask[3, 3] = 0
    got = losses.boundary_targets(maps(mask))[0].numpy()
    expected = np.zeros((7, 7))
    expected[[0, -1]] = expected[:, [0, -1]] = 1  # the map's own edge
    expected[2:5, 2:5] = 1
    expected[3, 3] = 0
    np.testing.assert_array_equal(got, expected)


def test_boundaries_equal_a_convolution_with_the_laplacian():
    rng = np.random.default_rng(0)
    masks = (rng.random((4, 9, 9)) < 0.7).astype(np.float32)
    kernel = np.full((3, 3, 1, 1), -1, np.float32)
    kernel[1, 1] = 8
    response = tf.nn.conv2d(masks[..., None], kernel, 1, "SAME")[..., 0]
    np.testing.assert_array_equal(
        losses.boundary_targets(tf.constant(masks)), response.numpy() > 0.1
    )
    assert (losses.boundary_targets(tf.constant(masks)) <= masks).numpy().all()


def test_dice_by_hand():
    """All probabilities 1/2 on 25 cells with 4 cells in the target.

    Overlap 2; sums 12.5 + 4: 1 - 5 / 17.5. Squares 6.25 + 4: 1 - 5 / 11.25.
    """
    target = np.zeros((5, 5), np.float32)
    target[2, :4] = 1
    plain = losses.dice(constant(0.5), maps(target))
    np.testing.assert_allclose(plain, [1 - 5 / 17.5], rtol=1e-6)
    squared = losses.dice(constant(0.5), maps(target), squared=True)
    np.testing.assert_allclose(squared, [1 - 5 / 11.25], rtol=1e-6)


def test_dice_of_two_empty_maps_is_zero():
    target = tf.zeros([1, 5, 5])
    np.testing.assert_allclose(losses.dice(target - 50.0, target), [0.0], atol=1e-6)


def test_the_four_losses_by_hand():
    """The block's boundary has 10 of 25 cells; all probabilities are 1/5.

    Cross-entropy: -(10 ln 0.2 + 15 ln 0.8) / 25. Balanced: 10 cells by 15/25 and 15 by
    10/25. Dice: overlap 2, sums 5 + 10: 1 - 5 / 16; squares 1 + 10: 1 - 5 / 12.
    """
    logits, mask = constant(0.2), maps(BLOCK)

    def value(**settings):
        return float(losses.boundary_sum(logits, mask, BoundaryConfig(**settings)))

    bce = -(10 * np.log(0.2) + 15 * np.log(0.8)) / 25
    weighted = -(10 * 0.6 * np.log(0.2) + 15 * 0.4 * np.log(0.8)) / 25
    dice = 1 - 5 / 16
    assert value(loss="bce") == pytest.approx(bce, rel=1e-6)
    assert value(loss="weighted_bce") == pytest.approx(weighted, rel=1e-6)
    assert value(loss="dice") == pytest.approx(dice, rel=1e-6)
    assert value() == pytest.approx(dice + bce, rel=1e-6)
    assert value(bce_weight=0.25) == pytest.approx(dice + bce / 4, rel=1e-6)
    squared = 1 - 5 / 12
    assert value(dice_squared=True) == pytest.approx(squared + bce, rel=1e-6)


def test_mask_targets_are_supervised_in_place_of_boundaries():
    """12 of 25 cells are in the block."""
    got = losses.boundary_sum(
        constant(0.2), maps(BLOCK), BoundaryConfig(target="mask", loss="bce")
    )
    expected = -(12 * np.log(0.2) + 13 * np.log(0.8)) / 25
    assert float(got) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", ["dice_bce", "dice", "bce"])
def test_rois_add_up(loss):
    settings = BoundaryConfig(loss=loss)
    rng = np.random.default_rng(1)
    logits = tf.constant(rng.normal(size=(3, 5, 5)), tf.float32)
    masks = maps(BLOCK, 0 * BLOCK, BLOCK.T)
    parts = [
        float(losses.boundary_sum(logits[i : i + 1], masks[i : i + 1], settings))
        for i in range(3)
    ]
    together = float(losses.boundary_sum(logits, masks, settings))
    assert together == pytest.approx(sum(parts), rel=1e-5)


def test_balance_is_of_the_whole_batch():
    """10 boundary cells of 50: they weigh 40/50 each, the others 10/50."""
    targets = maps(EDGE, 0 * EDGE)
    got = losses.balanced_weights(targets).numpy()
    np.testing.assert_allclose(got[targets.numpy() > 0], 0.8)
    np.testing.assert_allclose(got[targets.numpy() == 0], 0.2)


_REPLICAS = """
import tensorflow as tf
from tfmask.losses.boundary import balanced_weights
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

@tf.function
def weights(targets):
    return strategy.run(balanced_weights, args=(targets,))

def targets(context):  # 3 of 4 cells, then none of 4
    first = context.replica_id_in_sync_group == 0
    return tf.constant([[[1.0, 1.0], [1.0 * first, 0.0]]]) * float(first)

values = strategy.experimental_distribute_values_from_function(targets)
found = strategy.experimental_local_results(weights(values))
print([float(v) for part in found for v in tf.reshape(part, [-1])])
"""


def test_balance_is_of_all_replicas():
    """3 of 8 cells are boundary: they weigh 5/8, the others 3/8, on both replicas."""
    done = subprocess.run(
        [sys.executable, "-c", _REPLICAS],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [0.625, 0.625, 0.625, 0.375, *[0.375] * 4]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", ["boundary", "mask"])
def test_no_rois_give_zero_and_zero_gradient(loss, target):
    kernel = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        logits = kernel * tf.zeros([0, 28, 28])
        value = losses.boundary_sum(
            logits, tf.zeros([0, 28, 28]), BoundaryConfig(loss=loss, target=target)
        )
    assert float(value) == 0
    assert float(tape.gradient(value, kernel)) == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mask", [0.0, 1.0])
def test_sure_logits_and_uniform_masks_stay_finite(loss, mask):
    logits = tf.Variable(tf.fill([2, 5, 5], 80.0) * [[[1.0]], [[-1.0]]])
    with tf.GradientTape() as tape:
        value = losses.boundary_sum(
            logits, tf.fill([2, 5, 5], mask), BoundaryConfig(loss=loss)
        )
    assert np.isfinite(value) and np.isfinite(tape.gradient(value, logits)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_right_boundary_costs_less_than_the_mask_itself(loss):
    def value(shape):
        logits = tf.constant(8.0 * shape - 4.0)[None]
        return float(
            losses.boundary_sum(logits, maps(BLOCK), BoundaryConfig(loss=loss))
        )

    assert value(EDGE) < value(BLOCK) < value(1 - EDGE)
