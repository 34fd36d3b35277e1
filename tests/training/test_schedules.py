import pytest

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError
from tfmask.training import schedules

RUN = TrainConfig(
    steps=900,
    batch_size=8,
    base_batch=16,
    learning_rate=0.02,
    warmup_steps=100,
    warmup_factor=0.1,
    decay_at=(2 / 3, 800),
)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.001),  # 0.02 * 8 / 16 * 0.1
        (50, 0.0055),
        (100, 0.01),
        (599, 0.01),
        (600, 0.001),
        (799, 0.001),
        (800, 0.0001),
        (899, 0.0001),
    ],
)
def test_rate_warms_up_linearly_and_falls_in_steps(step, rate):
    assert schedules.learning_rate(step, RUN) == pytest.approx(rate)


def test_no_warm_up_starts_at_the_peak():
    train = TrainConfig(warmup_steps=0, decay_at=())
    assert schedules.learning_rate(0, train) == schedules.peak_learning_rate(train)


def test_up_to_one_is_a_fraction_and_above_one_is_a_step():
    assert schedules.to_step(0.5, 300) == 150
    assert schedules.to_step(1, 300) == 300
    assert schedules.to_step(2, 300) == 2


def test_constant_weight_is_the_first_points():
    assert schedules.loss_weight(0, "constant", [(0.9, 3.0)], 10) == 3.0


def test_step_weight_is_one_before_the_first_point():
    points = [(0.2, 1.5), (0.5, 0.5)]
    weights = [schedules.loss_weight(s, "step", points, 10) for s in (0, 2, 4, 5, 9)]
    assert weights == [1.0, 1.5, 1.5, 0.5, 0.5]


def test_linear_weight_is_level_outside_its_points():
    points = [(2, 1.0), (6, 3.0)]
    weights = [
        schedules.loss_weight(s, "linear", points, 10) for s in (0, 2, 3, 5, 6, 9)
    ]
    assert weights == [1.0, 1.0, 1.5, 2.5, 3.0, 3.0]


def test_linear_weight_with_two_points_at_one_step_jumps():
    points = [(0, 1.0), (4, 2.0), (4, 5.0)]
    assert schedules.loss_weight(4, "linear", points, 10) == 5.0


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("cosine", [(0, 1.0)]),
        ("step", []),
        ("step", [(-1, 1.0)]),
        ("step", [(0, -2.0)]),
    ],
)
def test_bad_schedule_is_refused(kind, points):
    with pytest.raises(ConfigError, match="mask"):
        schedules.check_points("mask", kind, points)
