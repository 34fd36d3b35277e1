import numpy as np
import pytest
import tensorflow as tf
from layer_checks import run_layer_checks

from tfmask.heads.quasi_multitask import QuasiMultitaskBranch

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "pool_size, output_size, count",
    [
        (14, 14, 2_380_880),  # half of 28: no deconvolution
        (14, 56, 2_905_680),  # twice 28: two
        (28, 14, 2_380_880),  # half of 28, of a finer feature
        (28, 56, 2_643_280),  # twice 28, of a finer feature: one
    ],
)
def test_parameters_at_the_width_of_the_paper(pool_size, output_size, count):
    branch = QuasiMultitaskBranch(80, pool_size, output_size)
    branch.build((None, pool_size, pool_size, 256))
    assert branch.count_params() == count


@pytest.mark.parametrize(
    "pool_size, output_size, deconvs", [(14, 14, 0), (14, 56, 2), (28, 14, 0)]
)
@pytest.mark.parametrize("lead", [(3,), (1, 2)])
def test_logits_have_the_side_that_is_asked_for(pool_size, output_size, deconvs, lead):
    run_layer_checks(
        QuasiMultitaskBranch,
        {
            "num_classes": 3,
            "pool_size": pool_size,
            "output_size": output_size,
            "conv_layers": 2,
            "channels": 4,
        },
        normal(*lead, pool_size, pool_size, 5),
        2 * (2 + deconvs + 1),
        [(*lead, output_size, output_size, 3)],
    )


def test_coarser_output_is_of_the_mean_of_bins():
    branch = QuasiMultitaskBranch(1, 4, 2, conv_layers=0, channels=1)
    branch.build((None, 4, 4, 1))
    branch.predictor.kernel.assign(tf.ones_like(branch.predictor.kernel))
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    expected = [[2.5, 4.5], [10.5, 12.5]]
    np.testing.assert_array_equal(branch(x)[0, ..., 0], expected)


def test_static_side_is_known_in_a_graph_of_any_number_of_rois():
    branch = QuasiMultitaskBranch(3, 4, 16, conv_layers=1, channels=4)
    branch.build((None, 4, 4, 4))
    spec = tf.TensorSpec([None, 4, 4, 4], tf.float32)
    graph = tf.function(branch, input_signature=[spec]).get_concrete_function()
    assert graph.output_shapes.as_list() == [None, 16, 16, 3]
    assert graph(tf.zeros([0, 4, 4, 4])).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("output_size", [0, 3, 5, 42])
def test_sides_that_cannot_be_reached_are_refused(output_size):
    with pytest.raises(
        ValueError, match=f"output_size={output_size} with pool_size=14"
    ):
        QuasiMultitaskBranch(3, 14, output_size)


def test_predictor_starts_small_or_as_msra():
    deviations = {}
    for name in ("normal", "msra"):
        branch = QuasiMultitaskBranch(80, predictor_initializer=name)
        branch.build((None, 14, 14, 256))
        deviations[name] = np.std(branch.predictor.kernel)
    assert deviations["normal"] == pytest.approx(0.001, rel=0.05)
    assert deviations["msra"] == pytest.approx(np.sqrt(2 / 80), rel=0.05)
