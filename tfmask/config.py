"""The configuration: typed dataclasses, recipe loading, `path=value` overrides, checks.

A recipe is a Python file with a function `config() -> Config`. Nothing here imports
TensorFlow, so that a typing error on the command line is answered at once.
"""

import ast
import dataclasses
import difflib
import importlib
import importlib.util
import typing
from dataclasses import dataclass, field
from pathlib import Path


class ConfigError(ValueError):
    """A setting that cannot be used. The message names the path and what is expected."""


@dataclass(kw_only=True)
class DataConfig:
    """Where the images are and how they are brought to the model's input."""

    train: str = ""  # folder with annotations.json and images/, or an annotation JSON
    train_images: str = ""  # image folder; default: images/ beside the JSON
    val: str = ""
    val_images: str = ""
    strict: bool = False  # true: a bad record is an error; false: left out and counted
    exif: str = "auto"  # auto | apply | ignore
    keep_empty: bool = True  # train on images without objects
    short_side: tuple[int, ...] = (800,)  # training: one is drawn per example
    max_side: int = 1333
    eval_short_side: int = 800
    eval_max_side: int = 1333
    flip: float = 0.5  # probability of a horizontal flip
    pad_multiple: int = 32
    group_by_shape: bool = True  # batches hold images of like shape: less padding
    mask_resolution: int = 112  # R of the box-frame masks
    workers: int = 0  # parallel image loads; 0: tf.data decides
    max_bad_fraction: float = 0.01  # lenient: stop when more images than this fail


@dataclass(kw_only=True)
class BackboneConfig:
    """ResNet: 10/18/34 have basic blocks, 26/50/101 bottlenecks."""

    depth: int = 50
    width: int = 64  # channels of the stem; stage i has width * 2**i
    norm: str = "frozen_bn"  # frozen_bn | bn | sync_bn | gn
    train_affine: bool = False  # frozen_bn: gamma and beta are trained (Tensorpack)
    norm_epsilon: float = 1e-5
    stride_in_1x1: bool = True  # bottleneck: stride on the first 1x1 (MSRA), else 3x3
    freeze_at: int = 2  # 0: all trained; 1: stem frozen; 2: stem and res2; ...
    weights: str = ""  # ImageNet weights: FORMAT:PATH, see `tfmask convert`


@dataclass(kw_only=True)
class NeckConfig:
    """Feature pyramid network."""

    channels: int = 256
    norm: str = "none"  # none | bn | sync_bn | gn
    initializer: str = "xavier"  # xavier (uniform, fan_in) | variance_scaling


@dataclass(kw_only=True)
class AnchorConfig:
    sizes: tuple[float, ...] = (32.0, 64.0, 128.0, 256.0, 512.0)  # one a level, P2..P6
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height / width
    rounding: str = "none"  # none | integer (torchvision) | legacy (maskrcnn-benchmark)


@dataclass(kw_only=True)
class RPNConfig:
    channels: int = 256
    fg_iou: float = 0.7
    bg_iou: float = 0.3
    low_quality: str = (
        "win"  # an object's best anchor below bg_iou: win -> fg, lose -> bg
    )
    inside_only: bool = False  # anchors that leave the image take no part in the loss
    batch: int = 256  # anchors sampled an image
    fg_fraction: float = 0.5
    smooth_l1_beta: float = 0.0  # 0: L1
    normalizer: str = "batch"  # box loss divided by: batch (images x batch) | sampled
    pre_nms_train: int = 2000  # a level
    post_nms_train: int = 1000
    post_nms_scope: str = "image"  # training: post_nms_train counts per image | batch
    pre_nms_test: int = 1000
    post_nms_test: int = 1000
    nms_iou: float = 0.7
    min_size: float = 0.0  # pixels; smaller proposals are dropped
    initializer: str = "normal"  # N(0, 0.01)


@dataclass(kw_only=True)
class RoIConfig:
    """Which proposals train the heads."""

    batch: int = 512
    fg_fraction: float = 0.25
    fg_iou: float = 0.5
    bg_iou_low: float = 0.0
    add_ground_truth: bool = True
    crowd_ioa: float = 0.5  # share of a box inside a crowd region that makes it ignored


@dataclass(kw_only=True)
class PoolConfig:
    aligned: bool = True  # sample positions shifted by half a pixel
    sampling_ratio: int = 0  # samples a bin and axis; 0: adaptive, ceil(roi / bins)
    canonical_size: float = 224.0  # a box of this side is pooled from P4


@dataclass(kw_only=True)
class BoxConfig:
    pool_size: int = 7
    fc_layers: int = 2
    fc_units: int = 1024
    regression_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    max_log_scale: float = 4.135166556742356  # log(1000 / 16), bound on dw and dh
    class_agnostic: bool = False
    background_row: bool = False  # a row of deltas for the background, never used
    smooth_l1_beta: float = 0.0
    initializer: str = "xavier"  # xavier (kaiming uniform, a=1) | variance_scaling


@dataclass(kw_only=True)
class MaskConfig:
    pool_size: int = 14
    conv_layers: int = 4
    channels: int = 256
    background_channel: bool = False  # a mask channel for the background, never used
    soft_targets: bool = False  # targets keep their coverage (Tensorpack), else >= 0.5
    predictor_initializer: str = "normal"  # normal N(0, 0.001) | msra


@dataclass(kw_only=True)
class PostprocessConfig:
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    max_detections: int = 100


@dataclass(kw_only=True)
class ModelConfig:
    lineage: str = "detectron2"  # the code base whose choices the defaults are
    num_classes: int = 0  # 0: from the training annotations
    weights: str = ""  # start from: .weights.h5, a run folder, or FORMAT:PATH
    channel_order: str = "rgb"  # rgb | bgr, what the first convolution sees
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)  # R, G, B
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    inclusive_boxes: bool = False  # legacy +1 boxes: RoIAlign sees x2 - 1, y2 - 1
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    neck: NeckConfig = field(default_factory=NeckConfig)
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    rpn: RPNConfig = field(default_factory=RPNConfig)
    roi: RoIConfig = field(default_factory=RoIConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    box: BoxConfig = field(default_factory=BoxConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)


@dataclass(kw_only=True)
class LossWeightPoint:
    """From `at` on (a step, or a fraction of the run if below 1) the weight is `weight`."""

    at: float
    weight: float


@dataclass(kw_only=True)
class LossWeightConfig:
    """The weight of one loss term over the run; see LossWeightSchedule."""

    kind: str = "constant"  # constant | step | linear
    points: tuple[LossWeightPoint, ...] = ()


@dataclass(kw_only=True)
class TrainConfig:
    output: str = "runs/default"  # checkpoints, logs, resolved config
    steps: int = 90000
    batch_size: int = 16  # images a step over all replicas
    seed: int = 0
    optimizer: str = "sgd"  # sgd | a class of keras.optimizers | tfa.NAME
    learning_rate: float = 0.02  # at base_batch; scaled linearly with batch_size
    base_batch: int = 16
    momentum: float = 0.9
    weight_decay: float = 1e-4  # L2, added to the gradient
    decay_bias: bool = True
    decay_norm: bool = False
    bias_lr_factor: float = 1.0  # maskrcnn-benchmark: 2
    warmup_steps: int = 1000
    warmup_factor: float = 0.001
    decay_at: tuple[float, ...] = (2 / 3, 8 / 9)  # steps, or fractions of the run
    decay_factor: float = 0.1
    clip_norm: float = 0.0  # global gradient norm; 0: no clipping
    precision: str = "float32"  # float32 | bfloat16 | float16
    devices: tuple[str, ...] = ()  # e.g. ("GPU:0", "GPU:1"); empty: all visible GPUs
    virtual_cpus: int = 0  # logical CPU devices, one replica each (for tests)
    loss_weights: dict[str, LossWeightConfig] = field(default_factory=dict)
    log_every: int = 20
    checkpoint_every: int = 1000
    keep_checkpoints: int = 3
    eval_every: int = 0  # steps; 0: at the end only
    tensorboard: bool = True
    tensorboard_images: int = (
        4  # pictures of ground truth beside prediction an evaluation
    )


@dataclass(kw_only=True)
class EvalConfig:
    batch_size: int = 1
    max_dets: tuple[int, ...] = (1, 10, 100)
    boundary: bool = True
    boundary_dilation: float = 0.02  # share of the image diagonal
    crowded_iou: float = 0.3  # AP_crowded: boxes that overlap another by more than this


@dataclass(kw_only=True)
class Config:
    """One run: data, model, training, evaluation."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvalConfig = field(default_factory=EvalConfig)
    published: dict[str, float] = field(default_factory=dict)  # the paper's own figures


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
        if schedule.kind not in ("constant", "step", "linear") or not schedule.points:
            raise ConfigError(
                f"train.loss_weights[{term!r}]: expected kind constant, step or linear "
                "and at least one point"
            )
    return config


# --- recipes ------------------------------------------------------------------------


def recipes_folder() -> Path:
    """The folder of the shipped recipes."""
    package = importlib.import_module("tfmask.configs")
    return Path(package.__file__).resolve().parent


def load_config(name: str) -> Config:
    """Runs a recipe.

    Args:
      name: path of a recipe file, or the name of a shipped one with or without `.py`
        and a leading `configs/`, e.g. `configs/demo/nuclei.py` or `demo/nuclei`.

    Raises:
      ConfigError: no such recipe (with the nearest names), or no `config()` in it.
    """
    path = Path(name)
    root = recipes_folder()
    if not path.is_file():
        inner = name.removeprefix("configs/").removesuffix(".py")
        path = root / f"{inner}.py"
        if not path.is_file():
            known = sorted(
                str(p.relative_to(root).with_suffix(""))
                for p in root.rglob("*.py")
                if p.parent != root and p.stem != "__init__"
            )
            near = difflib.get_close_matches(inner, known, 3, 0.4) or known
            raise ConfigError(
                f"{name}: no such recipe file; shipped recipes near it: "
                + ", ".join(near)
            )
    path = path.resolve()
    if path.is_relative_to(root):
        dotted = ".".join(path.relative_to(root).with_suffix("").parts)
        module = importlib.import_module(f"tfmask.configs.{dotted}")
    else:
        spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    if not callable(getattr(module, "config", None)):
        raise ConfigError(f"{path}: a recipe needs a function config() -> Config")
    value = module.config()
    if not isinstance(value, Config):
        raise ConfigError(f"{path}: config() must return a tfmask.config.Config")
    return value


# --- overrides ----------------------------------------------------------------------


def apply_overrides(config: Config, overrides: list[str]) -> Config:
    """Sets `path=value` pairs, each checked against the field's type.

    `train.loss_weights.NAME=NUMBER` sets a constant weight for one loss term.

    Raises:
      ConfigError: unknown path (with a suggestion) or a value of another type.
    """
    for text in overrides:
        path, equals, raw = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: expected path=value, e.g. train.steps=1000")
        if path.startswith("train.loss_weights."):
            term = path.removeprefix("train.loss_weights.")
            weight = _parse(raw, float, path)
            config.train.loss_weights[term] = LossWeightConfig(
                points=(LossWeightPoint(at=0, weight=weight),)
            )
            continue
        *parents, name = path.split(".")
        node, seen = config, ""
        for part in parents:
            node = getattr(_checked(node, part, seen, path), part)
            seen = f"{seen}{part}."
        hints = typing.get_type_hints(type(_checked(node, name, seen, path)))
        if dataclasses.is_dataclass(getattr(node, name)):
            inner = ", ".join(f.name for f in dataclasses.fields(getattr(node, name)))
            raise ConfigError(f"{path}: is a group of settings: {inner}")
        setattr(node, name, _parse(raw, hints[name], path))
    return config


def _checked(node, name: str, seen: str, path: str):
    """The node itself when it is a group that has `name`; else the error to raise."""
    if not dataclasses.is_dataclass(node):
        raise ConfigError(f"{path}: {seen.rstrip('.')} has no settings inside it")
    names = [f.name for f in dataclasses.fields(node)]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.5)
        hint = (
            f"did you mean {seen}{near[0]}?" if near else "known: " + ", ".join(names)
        )
        raise ConfigError(f"{path}: no such setting; {hint}")
    return node


def _parse(raw: str, kind, path: str):
    """Text of the command line as a value of the annotated type."""
    if kind is str:
        return raw
    lowered = raw.strip().lower()
    if kind is bool and lowered in ("true", "false"):
        return lowered == "true"
    try:
        value = ast.literal_eval(raw.strip())
    except (ValueError, SyntaxError):
        value = raw
    return _coerce(value, kind, path, raw)


def _coerce(value, kind, path: str, raw):
    origin = typing.get_origin(kind)
    if origin is tuple:
        inner = typing.get_args(kind)
        items = value if isinstance(value, (tuple, list)) else (value,)
        if isinstance(value, str):
            items = tuple(v for v in value.split(",") if v)
        if inner[-1] is Ellipsis:
            return tuple(_coerce(v, inner[0], path, raw) for v in items)
        if len(items) == len(inner):
            return tuple(_coerce(v, k, path, raw) for v, k in zip(items, inner))
        raise ConfigError(f"{path}={raw}: expected {len(inner)} values")
    if origin is dict and isinstance(value, dict):
        return value
    if (
        kind is float
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    ):
        if value != value or value in (float("inf"), float("-inf")):
            raise ConfigError(f"{path}={raw}: expected a finite number")
        return float(value)
    if kind in (int, bool, str) and type(value) is kind:
        return value
    word = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise ConfigError(f"{path}={raw}: expected {word}")


# --- text form ----------------------------------------------------------------------


def to_dict(config) -> dict:
    """Plain dicts, lists and numbers, for JSON."""
    return dataclasses.asdict(config)


def from_dict(value: dict, kind=Config, path: str = ""):
    """The inverse of `to_dict`; unknown keys are errors, missing ones take defaults."""
    hints = typing.get_type_hints(kind)
    unknown = set(value) - set(hints)
    if unknown:
        raise ConfigError(f"{path}{sorted(unknown)[0]}: no such setting")
    filled = {}
    for name, item in value.items():
        hint, here = hints[name], f"{path}{name}"
        if dataclasses.is_dataclass(hint):
            filled[name] = from_dict(item, hint, f"{here}.")
        elif name == "loss_weights":
            filled[name] = {
                k: LossWeightConfig(
                    kind=v["kind"],
                    points=tuple(LossWeightPoint(**p) for p in v["points"]),
                )
                for k, v in item.items()
            }
        else:
            filled[name] = _coerce(item, hint, here, item)
    return kind(**filled)


def describe(config: Config) -> str:
    """Every setting as a `path=value` line, the form that overrides take."""
    lines: list[str] = []

    def walk(node, prefix: str) -> None:
        for item in dataclasses.fields(node):
            value = getattr(node, item.name)
            if dataclasses.is_dataclass(value):
                walk(value, f"{prefix}{item.name}.")
            else:
                lines.append(f"{prefix}{item.name}={value!r}")

    walk(config, "")
    return "\n".join(lines)
