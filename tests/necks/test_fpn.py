import numpy as np
import pytest
from layer_checks import run_layer_checks

from tfmask.necks.fpn import FPN

RNG = np.random.default_rng(0)


def stages(height=64, width=96, channels=(8, 16, 32, 64)):
    return {
        f"c{i}": RNG.normal(size=(1, height // 2**i, width // 2**i, c)).astype(
            "float32"
        )
        for i, c in enumerate(channels, 2)
    }


def test_parameters_are_the_published_count():
    layer = FPN()
    layer.build({f"c{i}": (None, None, None, 64 * 2**i) for i in range(2, 6)})
    assert layer.count_params() == 3_344_384


def test_layer_checks_and_sizes():
    _, outputs = run_layer_checks(FPN, {"channels": 16}, stages(), 16)
    assert [tuple(outputs[f"p{i}"].shape[1:3]) for i in range(2, 7)] == [
        (16, 24),
        (8, 12),
        (4, 6),
        (2, 3),
        (1, 2),
    ]


@pytest.mark.parametrize("first, last", [(2, 5), (3, 5), (2, 4)])
def test_levels_are_named_after_those_of_the_backbone(first, last):
    levels = tuple(f"c{i}" for i in range(first, last + 1))
    layer, inputs = FPN(16, levels=levels), stages(128, 64)
    layer.build({name: inputs[name].shape for name in levels})
    outputs = layer({name: inputs[name] for name in levels})
    rois = tuple(f"p{i}" for i in range(first, last + 1))
    assert layer.roi_levels == rois
    assert tuple(outputs) == tuple(layer.output_spec) == (*rois, f"p{last + 1}")
    for name, spec in layer.output_spec.items():
        size = (128 // spec.stride, 64 // spec.stride, spec.channels)
        assert spec.stride == 2 ** int(name[1:])
        assert tuple(outputs[name].shape[1:]) == size


@pytest.mark.parametrize("levels", [(), ("c2", "c4"), ("c5", "c4"), ("fine",)])
def test_levels_with_a_gap_or_out_of_order_are_refused(levels):
    with pytest.raises(ValueError, match="levels="):
        FPN(16, levels=levels)


def test_p6_is_every_second_cell_of_p5():
    layer = FPN(16)
    inputs = stages(256, 224)
    layer.build({k: v.shape for k, v in inputs.items()})
    outputs = layer(inputs)
    np.testing.assert_array_equal(outputs["p6"], outputs["p5"][:, ::2, ::2])


def test_the_coarsest_stage_reaches_the_finest_level():
    layer = FPN(16)
    inputs = stages()
    layer.build({k: v.shape for k, v in inputs.items()})
    before = layer(inputs)["p2"].numpy()
    inputs["c5"][0, 0, 0] += 1
    changed = np.abs(layer(inputs)["p2"].numpy() - before).max((0, 3)) > 1e-6
    # One cell of C5 is 8 x 8 cells of P2, plus one for the output convolution.
    assert changed[:9, :9].all() and not changed[9:].any() and not changed[:, 9:].any()


@pytest.mark.parametrize("norm", ["gn", "bn"])
def test_norm_replaces_the_bias(norm):
    layer = FPN(32, norm=norm)
    layer.build({k: v.shape for k, v in stages().items()})
    assert not any("bias" in w.name for w in layer.weights)
