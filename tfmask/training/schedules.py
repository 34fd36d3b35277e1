"""Learning rate and loss weights as pure functions of the step."""

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError


def to_step(at: float, total_steps: int) -> int:
    """The step that `at` means: a fraction of the run up to 1, a step above."""
    return round(at * total_steps) if at <= 1 else round(at)


def peak_learning_rate(train: TrainConfig) -> float:
    """The rate after warm-up, scaled linearly with the batch (Goyal et al. 2017)."""
    return train.learning_rate * train.batch_size / train.base_batch


def learning_rate(step: int, train: TrainConfig) -> float:
    """The rate of a step: linear warm-up, then steps.

    Args:
      step: 0 for the first step.
      train: learning_rate, batch_size, base_batch, warmup_*, decay_*, steps.
    """
    rate = peak_learning_rate(train)
    for at in train.decay_at:
        if step >= to_step(at, train.steps):
            rate *= train.decay_factor
    if step < train.warmup_steps:
        done = step / train.warmup_steps
        rate *= train.warmup_factor * (1 - done) + done
    return rate


def loss_weight(step: int, kind: str, points, total_steps: int) -> float:
    """The weight of a loss term at a step.

    Args:
      step: 0 for the first step.
      kind: `constant`: the weight of the first point, always. `step`: the weight of
        the last point reached, 1 before the first. `linear`: straight lines between
        the points, level before the first and after the last.
      points: (at, weight) pairs by rising `at`; see `to_step`.
      total_steps: length of the run.
    """
    steps = [(to_step(at, total_steps), weight) for at, weight in points]
    if kind == "constant":
        return steps[0][1]
    if kind == "step":
        reached = [weight for at, weight in steps if at <= step]
        return reached[-1] if reached else 1.0
    if step <= steps[0][0]:
        return steps[0][1]
    for (start, low), (end, high) in zip(steps, steps[1:]):
        if start <= step < end:
            return low + (high - low) * (step - start) / (end - start)
    return steps[-1][1]


def check_points(term: str, kind: str, points) -> None:
    """Raises ConfigError for a schedule that `loss_weight` cannot follow."""
    if kind not in ("constant", "step", "linear"):
        raise ConfigError(
            f"loss weight of {term!r}: kind {kind!r}: expected constant, step or linear"
        )
    if not points:
        raise ConfigError(f"loss weight of {term!r}: expected at least one point")
    places = [at for at, _ in points]
    if min(places) < 0 or min(weight for _, weight in points) < 0:
        raise ConfigError(
            f"loss weight of {term!r}: points {tuple(points)}: expected no negative "
            "steps and no negative weights"
        )
