"""Training from a configuration: data, model, optimizer, loop."""

import contextlib
import copy
from pathlib import Path

import keras
import tensorflow as tf

from tfmask import config as config_module
from tfmask.config import Config
from tfmask.data import pipeline
from tfmask.data.sets import load_training, load_validation
from tfmask.errors import ConfigError
from tfmask.models.build import build_model
from tfmask.training import checkpoints, devices, run_lock
from tfmask.training.callbacks import loss_weight_callbacks
from tfmask.training.evaluator import Evaluator
from tfmask.training.loop import Stream, TrainingLoop
from tfmask.training.optimizer import build_optimizer
from tfmask.training.run_folder import RunFolder, identity
from tfmask.weights import convert


def train(
    config: Config, resume: bool = False, log=print, callbacks=()
) -> dict[str, float]:
    """Trains the model of a configuration and evaluates it.

    Call it before anything else uses TensorFlow when `train.virtual_cpus` is set.

    Args:
      config: data.train and train.output must be set; model.num_classes is taken from
        the data unless set.
      resume: go on from the newest checkpoint in train.output; from the beginning when
        there is none.
      log: called with each line of text.
      callbacks: Keras callbacks besides those of train.loss_weights.

    Returns:
      The figures of the last evaluation, `mask/AP`, ...; empty without data.val.

    Raises:
      ConfigError, DataError: settings or data that cannot be used; a frozen trunk
        without weights, unless train.random_trunk allows it.
      RunFolderError, CheckpointError: the output folder.
      NonFiniteLossError: training diverged.
      TrainingInterrupted: SIGTERM or Ctrl-C, after saving.
    """
    config_module.validate(config)
    devices.prepare_gpus(shapes_repeat=pipeline.padding_of(config.data) != "tight")
    strategy = devices.make_strategy(config.train)
    chief = devices.is_chief(strategy)
    log = log if chief else _silent
    if config.train.early_stopping and devices.is_cluster():
        raise ConfigError(
            f"train.early_stopping={config.train.early_stopping}: expected 0 with "
            "TF_CONFIG; the chief alone evaluates, and the other workers would go on"
        )
    _check_trunk(config, resume)
    dataset = load_training(config.data, log)
    config = _with_classes(config, dataset)
    with contextlib.ExitStack() as stack:
        if chief:
            stack.enter_context(run_lock.locked(config.train.output))
        return _run(config, strategy, dataset, resume, log, callbacks)


def _run(config, strategy, dataset, resume, log, callbacks) -> dict[str, float]:
    """The run, once nobody else writes to its folder."""
    chief = devices.is_chief(strategy)
    folder = RunFolder(config, dataset.class_map, chief, identity(dataset))
    for line in folder.open(resume):
        log(f"resuming with a changed setting: {line}")
    make_reproducible(config.train.seed)
    with strategy.scope():
        model = build_model(
            config.model, config.train.precision, seed=config.train.seed
        )
        if not checkpoints.existing(folder.output / "checkpoints"):
            convert.load_initial(model, config.model, log, class_map=dataset.class_map)
        optimizer = build_optimizer(model, config.train)
    evaluate = None
    if config.data.val and chief:
        judged = load_validation(config.data, dataset.class_map, log)
        evaluate = Evaluator(config, judged, log)
    loop = TrainingLoop(
        config,
        strategy,
        model,
        optimizer,
        _stream(config, dataset, strategy, log),
        folder,
        evaluate,
        [*loss_weight_callbacks(config.train), *callbacks],
        log,
    )
    done = loop.restore()
    log(
        f"{'resuming after' if done else 'training for'} "
        f"{f'step {done} of ' if done else ''}{config.train.steps} steps of "
        f"{config.train.batch_size} images on {strategy.num_replicas_in_sync} "
        f"replica(s); {len(dataset)} images, "
        f"{dataset.class_map.num_classes} classes; output in {folder.output}"
    )
    return loop.run()


def make_reproducible(seed: int) -> None:
    """Seeds everything; on CPUs runs of the same seed are bit-equal.

    Without it the gradient of `tf.image.crop_and_resize` adds up in the order in which
    threads finish. On GPUs TensorFlow has no ordered version of that gradient.
    """
    keras.utils.set_random_seed(seed)
    if not tf.config.list_logical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def _check_trunk(config: Config, resume: bool) -> None:
    """Refuses a run that could only end in step 1 or 2."""
    folder = Path(config.train.output) / "checkpoints"
    if config.train.random_trunk or (resume and checkpoints.existing(folder)):
        return
    why = config_module.why_random_trunk(config)
    if why:
        raise ConfigError(f"{why} (train.random_trunk=true tries it all the same)")


def _with_classes(config: Config, dataset) -> Config:
    found = dataset.class_map.num_classes
    if config.model.num_classes not in (0, found):
        raise ConfigError(
            f"model.num_classes={config.model.num_classes}, as the recipe, config.json "
            f"or command line has it: {dataset.path} has {found} categories; "
            "model.num_classes=0 on the command line takes their number"
        )
    config = copy.deepcopy(config)
    config.model.num_classes = found
    return config


def _stream(config: Config, dataset, strategy, log) -> Stream:
    def batches(start_index):
        return pipeline.training_dataset(
            dataset,
            config.data,
            config.train.batch_size,
            config.train.seed,
            start_index,
            shard=devices.shard(strategy),
            log=log,
        )

    def image_ids(indices):
        return [dataset.images[index].image_id for index in indices]

    size = pipeline.epoch_size(dataset, config.data)
    return Stream(batches, size, image_ids, pipeline.data_error)


def _silent(text: str) -> None:
    """Workers other than the chief say nothing."""
