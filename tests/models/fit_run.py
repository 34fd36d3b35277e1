"""Script: 20 steps of one batch stream by the loop's step and by `fit`; to an .npz.

`fit_run.py OUTPUT REPLICAS OPTIMIZER CLIP_NORM [ARCHITECTURE]`; without an architecture
the model is the stand-in.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from models.model_cases import small_batch, small_config  # noqa: E402
from training import fake_model  # noqa: E402
from training.fake_run import weights_of  # noqa: E402

from tfmask.config import ResNetConfig, TrainConfig  # noqa: E402
from tfmask.layers import initial_weights  # noqa: E402
from tfmask.models import architectures  # noqa: E402
from tfmask.training import devices  # noqa: E402
from tfmask.training.optimizer import build_optimizer  # noqa: E402
from tfmask.training.step import TrainStep  # noqa: E402

STEPS, EARLY = 20, 5
RATE = 0.01


def make_model(architecture):
    keras.utils.set_random_seed(1)
    if not architecture:
        return fake_model.FakeModel()
    frozen = ResNetConfig(depth=10, width=16, norm="frozen_bn", freeze_at=0)
    config = small_config(backbone=frozen)
    model = getattr(architectures, architecture).create(3, config)
    initial_weights.draw(model, 1)
    return model


def stream(architecture):
    if not architecture:
        return fake_model.batches(0, 4)
    batches = [small_batch(seed, images=4) for seed in range(2)]
    rows = {key: tf.stack([b[key] for b in batches]) for key in batches[0]}
    return tf.data.Dataset.from_tensor_slices(rows).repeat()


def main(output, replicas, optimizer_name, clip_norm, architecture=""):
    train = TrainConfig(
        batch_size=4,
        base_batch=4,
        learning_rate=RATE,
        warmup_steps=0,
        decay_at=(),
        optimizer=optimizer_name,
        weight_decay=0.01,
        bias_lr_factor=2.0,
        decay_bias=False,
        virtual_cpus=int(replicas),
    )
    strategy = devices.make_strategy(train)
    data = stream(architecture)
    with strategy.scope():
        model = make_model(architecture)
        optimizer = build_optimizer(model, train)
    step = TrainStep(strategy, model, optimizer, data.element_spec, float(clip_norm))
    losses = [step(batch).losses for batch in data.take(EARLY)]
    early = weights_of(model)
    later = data.skip(EARLY).take(STEPS - EARLY)
    losses += [step(batch).losses for batch in later]
    by_loop = weights_of(model)
    with strategy.scope():
        model = make_model(architecture)
        options = {"learning_rate": RATE}
        if optimizer_name == "sgd":
            kind, options["momentum"] = keras.optimizers.SGD, train.momentum
        else:
            kind, options["weight_decay"] = keras.optimizers.AdamW, train.weight_decay
        model.compile(
            kind(**options),
            clip_norm=float(clip_norm),
            weight_decay=train.weight_decay if optimizer_name == "sgd" else 0.0,
            bias_lr_factor=2.0,
            decay_bias=False,
        )
    history = model.fit(data, steps_per_epoch=5, epochs=STEPS // 5, verbose=0).history
    np.savez(
        output,
        replicas=strategy.num_replicas_in_sync,
        terms=sorted(history),
        losses=[[loss[term] for term in sorted(history)] for loss in losses],
        history=[history[term] for term in sorted(history)],
        **{f"early/{k}": v for k, v in early.items()},
        **{f"loop/{k}": v for k, v in by_loop.items()},
        **{f"fit/{k}": v for k, v in weights_of(model).items()},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
