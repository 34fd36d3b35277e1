"""Training from a configuration: data, model, optimizer, loop."""

import contextlib
import copy

import keras
import tensorflow as tf

from tfmask import config as config_module
from tfmask.config import Config
from tfmask.data import pipeline
from tfmask.data.readers import load_dataset
from tfmask.errors import ConfigError, DataError
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
      ConfigError, DataError: settings or data that cannot be used.
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
    dataset = _load(config, "train", log)
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
        evaluate = Evaluator(config, _validation_data(config, dataset, log), log)
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


def _load(config: Config, which: str, log):
    path = getattr(config.data, which)
    if not path:
        raise ConfigError(
            f"data.{which}: expected a folder with annotations.json and images/, or an "
            "annotation JSON"
        )
    return load_dataset(
        path,
        getattr(config.data, f"{which}_images"),
        config.data,
        training=which == "train",
        log=log,
    )


def _validation_data(config: Config, dataset, log):
    validation = _load(config, "val", log)
    ours, theirs = dataset.class_map.names, validation.class_map.names
    if tuple(ours) != tuple(theirs):
        raise DataError(
            f"data.val={config.data.val}: its categories ({', '.join(theirs)}) are not "
            f"those of data.train ({', '.join(ours)}); expected the same names in the "
            "same order of ids"
        )
    return validation


def _with_classes(config: Config, dataset) -> Config:
    found = dataset.class_map.num_classes
    if config.model.num_classes not in (0, found):
        raise ConfigError(
            f"model.num_classes={config.model.num_classes}: {dataset.path} has {found} "
            "categories; leave it at 0 to take their number"
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

    return Stream(batches, len(dataset), image_ids, pipeline.data_error)


def _silent(text: str) -> None:
    """Workers other than the chief say nothing."""
