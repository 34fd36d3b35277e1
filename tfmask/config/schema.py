"""The settings of a run, as typed dataclasses."""

from dataclasses import dataclass, field

from tfmask.config.mask_schema import MaskConfig, RefineConfig


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
class PostprocessConfig:
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    max_detections: int = 100


@dataclass(kw_only=True)
class ModelConfig:
    lineage: str = "detectron2"  # the code base whose choices the defaults are
    num_classes: int = 0  # 0: from the training annotations
    weights: str = ""  # start from: .tfmask.h5, a run folder, or FORMAT:PATH
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
    refine: RefineConfig = field(default_factory=RefineConfig)
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)


@dataclass(kw_only=True)
class LossWeightPoint:
    """From `at` on (a fraction of the run up to 1, a step above) it is `weight`."""

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
class PublishedRow:
    """What a table of a paper says of the model that a recipe trains."""

    paper: str  # "MaskPlus (WACV 2020)"
    table: str  # "Table 1"
    row: str  # "256-256"
    data: str  # "COCO val2017"
    metrics: dict[str, float]  # percent, by the names of evaluation: {"mask/AP": 35.3}
    line: int = 0  # place of the row among the table's rows


@dataclass(kw_only=True)
class Config:
    """One run: data, model, training, evaluation."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvalConfig = field(default_factory=EvalConfig)
    published: tuple[PublishedRow, ...] = ()  # where papers print this model's figures
    waits_for: str = ""  # what tfmask lacks for this recipe; such a recipe only loads
