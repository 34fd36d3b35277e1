"""Checks of a whole configuration: ranges, and settings that must agree."""

from tfmask.config.schema import Config, ConfigError, LossWeightConfig

# Allowed words of the settings that are one of a few.
_CHOICES = {
    "data.exif": ("auto", "apply", "ignore"),
    "model.backbone.norm": ("frozen_bn", "bn", "sync_bn", "gn"),
    "model.backbone.depth": (10, 18, 26, 34, 50, 101),
    "model.neck.norm": ("none", "bn", "sync_bn", "gn"),
    "model.neck.initializer": ("xavier", "variance_scaling"),
    "model.anchors.rounding": ("none", "integer", "legacy"),
    "model.rpn.low_quality": ("win", "lose"),
    "model.rpn.normalizer": ("batch", "sampled"),
    "model.rpn.post_nms_scope": ("image", "batch"),
    "model.rpn.initializer": ("normal",),
    "model.box.initializer": ("xavier", "variance_scaling"),
    "model.mask.predictor_initializer": ("normal", "msra"),
    "model.channel_order": ("rgb", "bgr"),
    "train.precision": ("float32", "bfloat16", "float16"),
}
_POSITIVE = (
    "data.max_side data.eval_short_side data.eval_max_side data.pad_multiple "
    "data.mask_resolution model.backbone.width model.neck.channels model.rpn.channels "
    "model.rpn.batch model.rpn.pre_nms_train model.rpn.post_nms_train "
    "model.rpn.pre_nms_test model.rpn.post_nms_test model.roi.batch "
    "model.box.pool_size model.box.fc_layers model.box.fc_units model.mask.pool_size "
    "model.mask.channels model.postprocess.max_detections train.steps "
    "train.batch_size train.base_batch train.log_every train.checkpoint_every "
    "train.keep_checkpoints evaluation.batch_size"
).split()
_FRACTIONS = (
    "data.flip data.max_bad_fraction model.rpn.fg_iou model.rpn.bg_iou "
    "model.rpn.fg_fraction model.rpn.nms_iou model.roi.fg_fraction model.roi.fg_iou "
    "model.roi.crowd_ioa model.postprocess.score_threshold model.postprocess.nms_iou "
    "evaluation.crowded_iou"
).split()
_NOT_NEGATIVE = (
    "data.workers model.num_classes model.backbone.freeze_at model.rpn.smooth_l1_beta "
    "model.rpn.min_size model.pool.sampling_ratio model.box.smooth_l1_beta "
    "model.mask.conv_layers train.learning_rate train.momentum train.weight_decay "
    "train.warmup_steps train.clip_norm train.virtual_cpus train.eval_every "
    "train.tensorboard_images"
).split()


def get(config: Config, path: str):
    """The setting at a dotted path, e.g. `get(config, "model.rpn.batch")`."""
    value = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def validate(config: Config) -> Config:
    """Checks ranges and settings that must agree. Returns the config unchanged.

    Raises:
      ConfigError: naming the path, the value and what is expected.
    """
    for path, allowed in _CHOICES.items():
        if get(config, path) not in allowed:
            words = ", ".join(map(str, allowed))
            raise ConfigError(f"{path}={get(config, path)!r}: expected one of {words}")
    for paths, good, text in (
        (_POSITIVE, lambda v: v > 0, "a positive number"),
        (_FRACTIONS, lambda v: 0 <= v <= 1, "a number from 0 to 1"),
        (_NOT_NEGATIVE, lambda v: v >= 0, "zero or a positive number"),
    ):
        for path in paths:
            if not good(get(config, path)):
                raise ConfigError(f"{path}={get(config, path)}: expected {text}")
    data, model, train = config.data, config.model, config.train
    if not data.short_side or min(data.short_side) < 1:
        raise ConfigError(f"data.short_side={data.short_side}: expected positive sizes")
    if data.pad_multiple % 32:
        raise ConfigError(
            f"data.pad_multiple={data.pad_multiple}: expected a multiple of 32, the "
            "stride of the coarsest backbone stage"
        )
    if len(model.anchors.sizes) != 5:
        raise ConfigError(
            f"model.anchors.sizes={model.anchors.sizes}: expected five sizes, one for "
            "each of P2..P6"
        )
    for path in ("model.neck", "model.backbone"):
        part = get(config, path)
        channels = part.channels if path == "model.neck" else part.width
        if part.norm == "gn" and channels % 32:
            raise ConfigError(
                f"{path}: {channels} channels with norm=gn: expected a multiple of 32, "
                "the number of groups"
            )
    if model.rpn.bg_iou > model.rpn.fg_iou:
        raise ConfigError(
            f"model.rpn.bg_iou={model.rpn.bg_iou}: expected at most fg_iou="
            f"{model.rpn.fg_iou}"
        )
    replicas = max(len(train.devices), train.virtual_cpus, 1)
    if train.batch_size % replicas:
        raise ConfigError(
            f"train.batch_size={train.batch_size}: expected a multiple of the "
            f"{replicas} replicas"
        )
    if len(config.evaluation.max_dets) != 3:
        raise ConfigError(
            f"evaluation.max_dets={config.evaluation.max_dets}: expected three "
            "ascending numbers, e.g. 1,10,100"
        )
    for term, schedule in train.loss_weights.items():
        if (
            not isinstance(schedule, LossWeightConfig)
            or schedule.kind not in ("constant", "step", "linear")
            or not schedule.points
        ):
            raise ConfigError(
                f"train.loss_weights[{term!r}]: expected kind constant, step or linear "
                "and at least one point"
            )
    return config
