"""The tf.distribute strategy that the configuration asks for."""

import json
import os

import tensorflow as tf

from tfmask.config import TrainConfig
from tfmask.errors import ConfigError

# Of TensorFlow's rewriting of graphs. GPUs since Ampere convolve channels-last as they
# are; turning float32 maps round costs a copy before and after each part of a model.
GRAPH_OPTIONS = {"layout_optimizer": False}


def prepare_gpus(shapes_repeat: bool) -> None:
    """Sets up the GPUs of this process, if it has any, before anything uses them.

    Memory is taken as it is needed: others may work on the same GPU.

    Args:
      shapes_repeat: cuDNN measures its algorithms for each new shape of a convolution,
        which pays where shapes come again. The user's own TF_CUDNN_USE_AUTOTUNE wins.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return
    os.environ.setdefault("TF_CUDNN_USE_AUTOTUNE", "1" if shapes_repeat else "0")
    tf.config.optimizer.set_experimental_options(GRAPH_OPTIONS)
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            return  # in use already, as its first user set it up


def make_strategy(train: TrainConfig) -> tf.distribute.Strategy:
    """One replica on each device.

    In this order: a cluster when TF_CONFIG names one (MultiWorkerMirroredStrategy);
    `train.virtual_cpus` logical CPU devices; `train.devices`; all visible GPUs. A
    single device needs no strategy of its own. Call it before TensorFlow is used.

    Raises:
      ConfigError: a device that is not there, a batch that cannot be divided by the
        replicas, or virtual CPUs asked for too late.
    """
    if is_cluster():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = _local_strategy(_device_names(train))
    replicas = strategy.num_replicas_in_sync
    if train.batch_size % replicas:
        raise ConfigError(
            f"train.batch_size={train.batch_size}: expected a multiple of the "
            f"{replicas} replicas"
        )
    _check_xla(train, replicas)
    return strategy


def _check_xla(train: TrainConfig, replicas: int) -> None:
    reason = ""
    if train.xla == "full":
        reason = "the number of rois depends on the data, which XLA cannot compile"
    elif train.xla == "update" and replicas > 1:
        reason = f"the update sums gradients over {replicas} replicas, which XLA cannot"
    elif train.xla == "update" and train.optimizer.startswith("tfa."):
        reason = f"{train.optimizer} updates by operations that XLA does not have"
    if reason:
        other = "off" if train.xla == "update" else "update or off"
        raise ConfigError(f"train.xla={train.xla}: {reason}; expected {other}")


def is_cluster() -> bool:
    """Whether TF_CONFIG names more than one worker."""
    return _workers() > 1


def local_replicas(strategy: tf.distribute.Strategy) -> int:
    """Replicas in this process."""
    if strategy.num_replicas_in_sync == 1:
        return 1
    return len(strategy.extended.worker_devices)


def shard(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(w, n): this process is worker w of n, in the order of the replica numbers."""
    workers = strategy.num_replicas_in_sync // local_replicas(strategy)
    if workers == 1:
        return 0, 1
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_id + (has_chief and resolver.task_type == "worker"), workers


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or not is_cluster():
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "worker" and resolver.task_id == 0 and not has_chief


def _workers() -> int:
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return 1
    try:
        cluster = json.loads(text).get("cluster", {})
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"TF_CONFIG: expected a JSON object with cluster and task ({error})"
        ) from error


def _device_names(train: TrainConfig) -> list[str]:
    if train.virtual_cpus:
        return _virtual_cpus(train.virtual_cpus)
    gpus = tf.config.list_logical_devices("GPU")
    if not train.devices:
        return [_short(device) for device in gpus]
    here = [_short(d) for d in tf.config.list_logical_devices()]
    for name in train.devices:
        if name.upper() not in here:
            raise ConfigError(
                f"train.devices: {name}: no such device; this machine has "
                + ", ".join(here)
            )
    return [name.upper() for name in train.devices]


def _virtual_cpus(count: int) -> list[str]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) != count:
            raise ConfigError(
                f"train.virtual_cpus={count}: TensorFlow has started already, with "
                f"{len(tf.config.list_logical_devices('CPU'))} CPU devices; make the "
                "strategy before anything else uses TensorFlow"
            ) from error
    return [f"CPU:{index}" for index in range(count)]


def _local_strategy(names: list[str]) -> tf.distribute.Strategy:
    if len(names) > 1:
        return tf.distribute.MirroredStrategy(names)
    if not names or names[0] in ("GPU:0", "CPU:0") and _is_default(names[0]):
        return tf.distribute.get_strategy()
    return tf.distribute.OneDeviceStrategy(f"/{names[0]}")


def _is_default(name: str) -> bool:
    """Whether operations go to this device anyway."""
    return name == "GPU:0" or not tf.config.list_logical_devices("GPU")


def _short(device) -> str:
    return ":".join(device.name.split(":")[-2:])
