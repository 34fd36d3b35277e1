import numpy as np
import pytest
from layer_checks import run_layer_checks
from necks.necks import built, neck_macs, stages

from tfmask.layers.naming import named_weights
from tfmask.necks.hrfpn import HRFPN
from tfmask.structures import FeatureSpec

W32 = (32, 64, 128, 256)


def test_parameters_are_the_published_count():
    assert built(HRFPN(), W32).count_params() == 3_073_536


def test_cost_of_an_image():
    cells = [200 * 336 // 4**i for i in range(4)] + [12 * 21]
    macs = cells[0] * 480 * 256 + sum(cells) * 9 * 256 * 256
    assert neck_macs(built(HRFPN(), W32), 800, 1344, W32) == macs


def test_layer_checks_and_sizes():
    neck, outputs = run_layer_checks(HRFPN, {"channels": 16}, stages(), 12)
    sides = [tuple(outputs[f"p{i}"].shape[1:3]) for i in range(2, 7)]
    assert sides == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 1)]
    assert list(neck.output_spec) == ["p2", "p3", "p4", "p5", "p6"]
    assert neck.output_spec["p6"] == FeatureSpec(16, 64)
    assert neck.roi_levels == ("p2", "p3", "p4", "p5")


@pytest.mark.parametrize("side", [32, 96])
def test_the_coarsest_level_is_never_empty(side):
    neck, inputs = HRFPN(4), stages(side, side)
    neck.build({k: v.shape for k, v in inputs.items()})
    outputs = neck(inputs)
    assert tuple(outputs["p6"].shape) == (1, 1, 1, 4)
    shapes = neck.compute_output_shape({k: v.shape for k, v in inputs.items()})
    assert {k: tuple(v.shape) for k, v in outputs.items()} == shapes


def interpolated(x, scale):
    """Bilinear, cell middles on cell middles, the border repeated; `[H, W, C]`."""
    for axis in (0, 1):
        count = x.shape[axis]
        at = np.clip((np.arange(count * scale) + 0.5) / scale - 0.5, 0, count - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, count - 1)
        weight = np.expand_dims(at - low, tuple(i for i in range(3) if i != axis))
        x = (1 - weight) * x.take(low, axis) + weight * x.take(high, axis)
    return x


def test_branches_are_interpolated_joined_and_averaged_by_hand():
    inputs = stages(128, 192, (1, 1, 1, 1))
    neck = HRFPN(4)
    neck.build({k: v.shape for k, v in inputs.items()})
    for path, weight in named_weights(neck).items():
        value = np.zeros(weight.shape, np.float32)
        if path.endswith("kernel"):
            value[len(value) // 2, len(value) // 2] = np.eye(4)
        weight.assign(value)
    outputs = neck(inputs)
    whole = np.concatenate(
        [interpolated(inputs[f"c{i}"][0], 2 ** (i - 2)) for i in range(2, 6)], axis=-1
    )
    for i in range(2, 7):
        k = 2 ** (i - 2)
        rows, columns = whole.shape[0] // k, whole.shape[1] // k
        means = whole.reshape(rows, k, columns, k, 4).mean((1, 3))
        np.testing.assert_allclose(outputs[f"p{i}"][0], means, atol=1e-5)
