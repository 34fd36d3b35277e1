"""Script: three steps on N logical CPU devices; weights and losses to an .npz.

`replica_run.py OUTPUT REPLICAS OPTIMIZER CLIP_NORM [real]`
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import keras  # noqa: E402
import numpy as np  # noqa: E402
from training import fake_model  # noqa: E402
from training.fake_run import weights_of  # noqa: E402

from tfmask.config import TrainConfig  # noqa: E402
from tfmask.training import devices  # noqa: E402
from tfmask.training.optimizer import build_optimizer  # noqa: E402
from tfmask.training.step import TrainStep  # noqa: E402


def main(output, replicas, optimizer_name, clip_norm):
    train = TrainConfig(
        batch_size=4,
        base_batch=4,
        learning_rate=0.05,
        warmup_steps=2,
        optimizer=optimizer_name,
        weight_decay=0.01,
        bias_lr_factor=2.0,
        decay_bias=False,
        virtual_cpus=int(replicas),
    )
    strategy = devices.make_strategy(train)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = fake_model.FakeModel()
        optimizer = build_optimizer(model, train)
    data = fake_model.batches(0, 4)
    step = TrainStep(strategy, model, optimizer, data.element_spec, float(clip_norm))
    losses = []
    for number, batch in zip(range(3), data):
        optimizer.set_step(number)
        losses.append(list(step(batch).losses.values()))
    np.savez(
        output,
        replicas=strategy.num_replicas_in_sync,
        losses=losses,
        **weights_of(model),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
