"""A training run on the fake model, in this process or as a script.

`fake_run.py OUTPUT [path=value ...] [--resume] [--nan-at STEP] [--slow SECONDS]`
"""

import argparse
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from training import fake_model  # noqa: E402

from tfmask import config as config_module  # noqa: E402
from tfmask.config import Config, DataConfig, TrainConfig  # noqa: E402
from tfmask.structures import ClassMap  # noqa: E402
from tfmask.training import devices  # noqa: E402
from tfmask.training.callbacks import loss_weight_callbacks  # noqa: E402
from tfmask.training.evaluator import Evaluation  # noqa: E402
from tfmask.training.loop import Stream, TrainingLoop  # noqa: E402
from tfmask.training.optimizer import build_optimizer  # noqa: E402
from tfmask.training.run_folder import RunFolder  # noqa: E402
from tfmask.training.trainer import make_reproducible  # noqa: E402

CLASSES = ClassMap((3, 7, 20), ("round", "square", "star"))


def fake_config(output, **settings) -> Config:
    """A config of a short run; `settings` are fields of TrainConfig."""
    values = {
        "steps": 12,
        "batch_size": 4,
        "base_batch": 4,
        "learning_rate": 0.05,
        "warmup_steps": 4,
        "log_every": 2,
        "checkpoint_every": 3,
        "tensorboard": False,
        **settings,
    }
    return Config(data=DataConfig(), train=TrainConfig(output=str(output), **values))


def make_loop(
    config,
    *,
    resume=False,
    log=print,
    evaluate=None,
    callbacks=(),
    nan_at=-1,
    slow=0.0,
    seed_all=keras.utils.set_random_seed,
) -> TrainingLoop:
    """The loop of a fake run, restored. At step `nan_at` the loss becomes NaN."""
    strategy = devices.make_strategy(config.train)
    folder = RunFolder(config, CLASSES, devices.is_chief(strategy))
    folder.open(resume)
    seed_all(config.train.seed)
    with strategy.scope():
        model = fake_model.FakeModel()
        model.nan_at = nan_at * config.train.batch_size
        optimizer = build_optimizer(model, config.train)

    def batches(start_index):
        batch_size = config.train.batch_size
        worker, workers = devices.shard(strategy)
        rows = batch_size // workers
        whole = fake_model.batches(start_index, batch_size)
        own = slice(worker * rows, (worker + 1) * rows)
        local = whole.map(lambda batch: {k: v[own] for k, v in batch.items()})
        return local.unbatch().batch(rows, drop_remainder=True)

    stream = Stream(batches, 10, lambda indices: [100 + i for i in indices])
    extra = [Sleep(slow)] if slow else []
    loop = TrainingLoop(
        config,
        strategy,
        model,
        optimizer,
        stream,
        folder,
        evaluate,
        [*loss_weight_callbacks(config.train), *callbacks, *extra],
        log,
    )
    loop.restore()
    return loop


class Sleep(keras.callbacks.Callback):
    """Makes steps take their time."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        print("sleeping", flush=True)
        time.sleep(self.seconds)


def rising_evaluation(scores):
    """An evaluation that gives these mask APs in turn, then the last for ever."""
    left = list(scores)

    def evaluate(model, heartbeat):
        heartbeat()
        score = left.pop(0) if len(left) > 1 else left[0]
        return Evaluation({"mask/AP": score}, [{"image_id": 1}], [], f"AP {score}")

    return evaluate


def weights_of(model) -> dict:
    """Path -> array of all weights."""
    from tfmask.layers.naming import named_weights

    return {k: tf.convert_to_tensor(v).numpy() for k, v in named_weights(model).items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--nan-at", type=int, default=-1)
    parser.add_argument("--slow", type=float, default=0.0)
    args = parser.parse_intermixed_args()
    config = fake_config(args.output)
    config_module.apply_overrides(config, args.settings)
    loop = make_loop(
        config,
        resume=args.resume,
        nan_at=args.nan_at,
        slow=args.slow,
        seed_all=make_reproducible,
    )
    print(f"starting at step {loop.step}", flush=True)
    loop.run()
    print("finished", flush=True)


if __name__ == "__main__":
    main()
