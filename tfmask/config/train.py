"""Settings of training."""

from dataclasses import dataclass, field
from typing import Literal

from tfmask.config.settings import SOME, setting


@dataclass(kw_only=True)
class LossWeightPoint:
    """From `at` on (a fraction of the run up to 1, a step above) it is `weight`."""

    at: float = setting(0.0, at_least=0)
    weight: float = setting(1.0, at_least=0)


def _one_point() -> tuple[LossWeightPoint, ...]:
    return (LossWeightPoint(),)


@dataclass(kw_only=True)
class LossWeightConfig:
    """The weight of one loss term over the run; see LossWeightSchedule."""

    kind: Literal["constant", "step", "linear"] = "constant"
    points: tuple[LossWeightPoint, ...] = setting(_one_point, items=SOME)


@dataclass(kw_only=True)
class TrainConfig:
    """The run: schedule, optimizer, devices, what it keeps."""

    output: str = setting("runs/default", path=True)  # checkpoints, logs, settings
    steps: int = setting(90000, at_least=1)
    batch_size: int = setting(16, at_least=1)  # images per step over all replicas
    seed: int = setting(0, at_least=0)
    optimizer: str = "sgd"  # sgd | a class of keras.optimizers | tfa.NAME
    # At base_batch; scaled linearly with batch_size.
    learning_rate: float = setting(0.02, at_least=0)
    base_batch: int = setting(16, at_least=1)
    momentum: float = setting(0.9, at_least=0, below=1)
    weight_decay: float = setting(1e-4, at_least=0)  # L2, added to the gradient
    decay_bias: bool = True
    decay_norm: bool = False
    bias_lr_factor: float = setting(1.0, at_least=0)  # maskrcnn-benchmark: 2
    warmup_steps: int = setting(1000, at_least=0)
    warmup_factor: float = setting(0.001, at_least=0, at_most=1)
    # Steps, or fractions of the run.
    decay_at: tuple[float, ...] = setting((2 / 3, 8 / 9), above=0)
    decay_factor: float = setting(0.1, above=0, at_most=1)
    clip_norm: float = setting(0.0, at_least=0)  # global gradient norm; 0: no clipping
    # Train although the trunk is frozen and has no weights, which seldom stays finite.
    random_trunk: bool = False
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    # What XLA compiles: nothing; clipping, decay and optimizer; the whole step, which
    # is refused: how many rois there are depends on the data.
    xla: Literal["off", "update", "full"] = "off"
    devices: tuple[str, ...] = ()  # e.g. ("GPU:0", "GPU:1"); empty: all visible GPUs
    # Logical CPU devices, one replica each (for tests).
    virtual_cpus: int = setting(0, at_least=0)
    loss_weights: dict[str, LossWeightConfig] = field(default_factory=dict)
    log_every: int = setting(20, at_least=1)
    checkpoint_every: int = setting(1000, at_least=1)
    keep_checkpoints: int = setting(3, at_least=1)
    eval_every: int = setting(0, at_least=0)  # steps; 0: at the end only
    eval_losses: bool = False  # of every evaluation, the training losses on data.val
    # Training ends after so many evaluations without a larger evaluation.best; 0: not.
    early_stopping: int = setting(0, at_least=0)
    tensorboard: bool = True
    # Pictures of ground truth beside prediction per evaluation.
    tensorboard_images: int = setting(4, at_least=0)
