"""Checks of a whole configuration: ranges, and settings that must agree."""

from tfmask.config.mask_schema import MASK_IOU_POOL
from tfmask.config.schema import Config, LossWeightConfig
from tfmask.errors import ConfigError

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
    "model.mask.head": ("fcn", "boundary_preserving", "encoder_decoder"),
    "model.mask.encoder_decoder_form": ("released", "paper"),
    "model.mask.boundary.target": ("boundary", "mask", "none"),
    "model.mask.boundary.loss": ("dice_bce", "dice", "bce", "weighted_bce"),
    "model.mask.boundary.pool_size": (14, 28),
    "model.mask.context.level": ("p2", "p3", "p4", "p5", "p6"),
    "model.mask.pyramid.position": ("after", "before"),
    "model.mask.pyramid.kernel_size": (2, 4),
    "model.mask.refinement.kind": ("none", "improved", "original"),
    "model.mask.refinement.source": ("logits", "features"),
    "model.mask.refinement.first_kernel": (1, 3),
    "model.mask.refinement.projection_kernel": (1, 3),
    "model.mask.refinement.prelu": ("scalar", "channel"),
    "model.refine.pooling": ("shape_aware", "plain"),
    "model.refine.candidates": ("detections", "proposals"),
    "model.refine.flow_initializer": ("msra", "zero"),
    "model.channel_order": ("rgb", "bgr"),
    "train.precision": ("float32", "bfloat16", "float16"),
}
_POSITIVE = (
    "data.max_side data.eval_short_side data.eval_max_side data.pad_multiple "
    "data.mask_resolution model.backbone.width model.neck.channels model.rpn.channels "
    "model.rpn.batch model.rpn.pre_nms_train model.rpn.post_nms_train "
    "model.rpn.pre_nms_test model.rpn.post_nms_test model.roi.batch "
    "model.box.pool_size model.box.fc_layers model.box.fc_units model.mask.pool_size "
    "model.mask.channels model.mask.refinement.modules model.mask.refinement.growth "
    "model.mask.refinement.bottleneck model.postprocess.max_detections train.steps "
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
    "model.mask.conv_layers model.mask.boundary.bce_weight model.refine.alpha "
    "train.learning_rate train.momentum train.weight_decay "
    "train.warmup_steps train.clip_norm train.virtual_cpus train.eval_every "
    "train.tensorboard_images"
).split()


def get(config: Config, path: str):
    """The setting at a dotted path, e.g. `get(config, "model.rpn.batch")`."""
    value = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def require_complete(config: Config, name: str) -> Config:
    """Returns the config unchanged if tfmask has all parts of its model.

    Raises:
      ConfigError: the recipe waits for something; the message says for what.
    """
    if config.waits_for:
        raise ConfigError(
            f"{name}: this recipe is listed with its published figures but cannot be "
            f"run yet: it waits for {config.waits_for}, which tfmask does not have"
        )
    return config


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
    _check_mask_branch(model.mask, model.neck.channels)
    refine = model.refine
    if refine.enabled and not (refine.classes or refine.boxes or refine.masks):
        raise ConfigError(
            "model.refine.enabled=True with classes, boxes and masks off: expected at "
            "least one of them on"
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


def _check_mask_branch(mask, channels: int) -> None:
    """Settings of the mask branch that must agree."""
    if mask.head == "encoder_decoder":
        _check_encoder_decoder(mask, channels)
    doubled = mask.upsample and mask.head != "encoder_decoder"
    side = mask.pool_size * (2 if doubled else 1)
    if mask.scoring.enabled and side % MASK_IOU_POOL:
        raise ConfigError(
            f"model.mask.pool_size={mask.pool_size} with scoring.enabled=True: masks "
            f"of {side} cells a side; expected a multiple of {MASK_IOU_POOL}, the size "
            "of the MaskIoU head's feature"
        )
    sides = (mask.pool_size, 2 * mask.pool_size)
    if mask.head == "boundary_preserving" and mask.boundary.pool_size not in sides:
        raise ConfigError(
            f"model.mask.boundary.pool_size={mask.boundary.pool_size} with "
            f"model.mask.pool_size={mask.pool_size}: expected as many bins, or twice "
            "as many"
        )
    if mask.sobel and mask.head == "boundary_preserving":
        raise ConfigError(
            "model.mask.sobel=True with head=boundary_preserving: expected one kind of "
            "boundary supervision; use head=fcn for the Sobel head"
        )
    if not mask.upsample and mask.head != "fcn":
        raise ConfigError(
            f"model.mask.upsample=False with head={mask.head}: only the head fcn has a "
            "form without the deconvolution"
        )
    sizes = mask.quasi.sizes
    if not set(sizes) <= {0.5, 2.0} or len(set(sizes)) < len(sizes):
        raise ConfigError(
            f"model.mask.quasi.sizes={sizes}: expected any of 0.5, 2, each once"
        )
    filters = mask.context.filters
    if filters and (min(filters) < 1 or filters[-1] != channels):
        raise ConfigError(
            f"model.mask.context.filters={filters}: expected positive numbers, the "
            f"last one {channels} as model.neck.channels"
        )
    levels = mask.boundary.levels
    if not levels or not set(levels) <= {"p2", "p3", "p4", "p5"}:
        raise ConfigError(
            f"model.mask.boundary.levels={levels}: expected some of p2, p3, p4, p5"
        )


def _check_encoder_decoder(mask, channels: int) -> None:
    if mask.pool_size % 4:
        raise ConfigError(
            f"model.mask.pool_size={mask.pool_size} with head=encoder_decoder: "
            "expected a multiple of 4, because the head halves it twice; the paper's "
            "is 28"
        )
    if mask.channels % 32:
        raise ConfigError(
            f"model.mask.channels={mask.channels} with head=encoder_decoder: expected "
            "a multiple of 32, the groups of its normalisation"
        )
    if mask.encoder_decoder_form == "paper" and mask.channels != channels:
        raise ConfigError(
            f"model.mask.channels={mask.channels} with encoder_decoder_form=paper: "
            f"expected {channels} as model.neck.channels, since that form adds the roi "
            "feature to the decoder's; the form released joins them"
        )
