"""The baseline Mask R-CNN of three code bases, and torchvision's, as presets.

The published figures of the papers come from different code bases, whose choices are
worth about one point of AP and decide whether their weights can be loaded. A preset
returns a config with the choices of one of them; a recipe changes what its row changes.

In one thing the presets keep tfmask's own rule: images without objects are trained on,
and what lies in a crowd region is left out of the loss. All of the originals drop such
images. Tensorpack takes no account of crowds, `model.roi.crowd_ioa=9.99`; the others
drop crowd regions, `data.keep_crowd=false`. With `data.keep_empty=false` and these a
preset has its original's rule.
"""

import math
from collections.abc import Callable

from tfmask.config import (
    AnchorConfig,
    BoxesConfig,
    Config,
    DataConfig,
    FastRCNNHeadConfig,
    FCNMaskHeadConfig,
    FPNConfig,
    LossWeightConfig,
    LossWeightPoint,
    MaskConfig,
    ModelConfig,
    PoolConfig,
    PostprocessConfig,
    ResNetConfig,
    RoIConfig,
    RPNConfig,
    TrainConfig,
    cascade_stages,
)

Recipe = Callable[[], Config]
_IMAGENET_STD = (58.395, 57.12, 57.375)


def detectron2() -> Config:
    """Detectron2, `COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x`."""
    return Config(
        data=DataConfig(short_side=(640, 672, 704, 736, 768, 800)),
        model=ModelConfig(
            lineage="detectron2",
            channel_order="bgr",
            pixel_std=(1.0, 1.0, 1.0),
        ),
    )


def tensorpack(zoo: bool = False) -> Config:
    """Tensorpack `examples/FasterRCNN`, R50-FPN, 2x.

    Args:
      zoo: false: the code of 2018-12 to 2019-05, whose figures MaskPlus starts from
        (38.4 box, 35.1 mask AP). True: the later code that trained the file
        COCO-MaskRCNN-R50FPN2x.npz (38.9, 35.4): anchors that are not rounded, an L1
        box loss, a mask predictor that starts near zero, a longer way to warm up.
    """
    return Config(
        data=DataConfig(short_side=(800,), max_side=1344, eval_max_side=1344),
        model=ModelConfig(
            lineage="tensorpack",
            channel_order="bgr",
            pixel_std=_IMAGENET_STD,
            backbone=ResNetConfig(stride_in_1x1=False, train_affine=True),
            neck=FPNConfig(initializer="variance_scaling"),
            anchors=AnchorConfig(rounding="none" if zoo else "legacy"),
            rpn=RPNConfig(
                inside_only=True,
                match="inside",
                low_quality="lose",
                smooth_l1_beta=1 / 9,
                post_nms_train=2000,
            ),
            pool=PoolConfig(aligned=True, sampling_ratio=2),
            boxes=BoxesConfig(
                head=FastRCNNHeadConfig(
                    background_row=True, initializer="variance_scaling"
                ),
                smooth_l1_beta=0.0 if zoo else 1.0,
                max_log_scale=math.log(1344 / 16),
            ),
            mask=MaskConfig(
                head=FCNMaskHeadConfig(
                    predictor_initializer="normal" if zoo else "msra"
                ),
                soft_targets=True,
            ),
        ),
        train=TrainConfig(
            steps=360000,
            batch_size=8,
            base_batch=8,
            learning_rate=0.01,
            warmup_factor=0.001 if zoo else 0.33,
            decay_at=(240000, 320000),
            decay_bias=False,
        ),
    )


def maskrcnn_benchmark() -> Config:
    """maskrcnn-benchmark, `e2e_mask_rcnn_R_50_FPN_1x`.

    Proposals in training are the best of all images of a replica together, 1000 times
    their number, as its README asks for.
    """
    return Config(
        data=DataConfig(short_side=(800,)),
        model=ModelConfig(
            lineage="maskrcnn_benchmark",
            channel_order="bgr",
            pixel_mean=(122.7717, 115.9465, 102.9801),
            pixel_std=(1.0, 1.0, 1.0),
            inclusive_boxes=True,
            backbone=ResNetConfig(norm_epsilon=0.0),
            anchors=AnchorConfig(rounding="legacy"),
            rpn=RPNConfig(
                inside_only=True,
                smooth_l1_beta=1 / 9,
                normalizer="sampled",
                post_nms_train=1000,
                post_nms_scope="batch",
            ),
            pool=PoolConfig(aligned=False, sampling_ratio=2),
            boxes=BoxesConfig(
                head=FastRCNNHeadConfig(background_row=True), smooth_l1_beta=1.0
            ),
            mask=MaskConfig(
                head=FCNMaskHeadConfig(
                    background_channel=True, predictor_initializer="msra"
                )
            ),
        ),
        train=TrainConfig(
            warmup_steps=500,
            warmup_factor=1 / 3,
            decay_bias=False,
            bias_lr_factor=2.0,
        ),
    )


def torchvision() -> Config:
    """torchvision `maskrcnn_resnet50_fpn` (v1), with its 91-row heads."""
    return Config(
        data=DataConfig(short_side=(800,)),
        model=ModelConfig(
            lineage="torchvision",
            channel_order="rgb",
            pixel_mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
            pixel_std=(0.229 * 255, 0.224 * 255, 0.225 * 255),
            # FrozenBatchNorm2d of the torchvision release; layer2..4 trained.
            backbone=ResNetConfig(stride_in_1x1=False, freeze_at=2),
            anchors=AnchorConfig(rounding="integer"),
            rpn=RPNConfig(
                smooth_l1_beta=1 / 9,
                normalizer="sampled",
                post_nms_train=2000,
                min_size=1e-3,
            ),
            pool=PoolConfig(aligned=False, sampling_ratio=2),
            boxes=BoxesConfig(
                head=FastRCNNHeadConfig(background_row=True), smooth_l1_beta=1 / 9
            ),
            mask=MaskConfig(
                head=FCNMaskHeadConfig(
                    background_channel=True, predictor_initializer="msra"
                )
            ),
        ),
    )


def matterport() -> Config:
    """matterport's Mask_RCNN on ResNet-101: a start for training from its weights.

    Its own ways to read rois and to pad the pooling of the stem are not here, see
    docs/weights.md. It rounds to the nearest level of the pyramid where others round
    down, which is a smaller canonical size.
    """
    return Config(
        data=DataConfig(short_side=(800,), max_side=1024, eval_max_side=1024),
        model=ModelConfig(
            lineage="matterport",
            channel_order="rgb",
            pixel_mean=(123.7, 116.8, 103.9),
            pixel_std=(1.0, 1.0, 1.0),
            inclusive_boxes=True,
            backbone=ResNetConfig(depth=101, norm_epsilon=1e-3),
            rpn=RPNConfig(
                channels=512,
                smooth_l1_beta=1.0,
                normalizer="sampled",
                post_nms_train=2000,
            ),
            roi=RoIConfig(batch=200, fg_fraction=0.33),
            pool=PoolConfig(
                aligned=False, sampling_ratio=1, canonical_size=224 / math.sqrt(2)
            ),
            boxes=BoxesConfig(
                head=FastRCNNHeadConfig(background_row=True), smooth_l1_beta=1.0
            ),
            mask=MaskConfig(
                head=FCNMaskHeadConfig(
                    background_channel=True, predictor_initializer="msra"
                )
            ),
            postprocess=PostprocessConfig(nms_iou=0.3),
        ),
        train=TrainConfig(
            learning_rate=0.001, batch_size=2, base_batch=2, clip_norm=5.0
        ),
    )


# --- what recipes of several papers change --------------------------------------------


def changed(recipe: Recipe, change: Callable[[Config], Config], words: str) -> Recipe:
    """A recipe that is another one with a change, e.g. on another data set.

    It is one of the recipes of the module that `change` stands in.

    Args:
      recipe: the other one.
      change: alters the config that it gets and returns it.
      words: what it changes, added to the first line of the other's docstring.
    """

    def config() -> Config:
        return change(recipe())

    summary = (recipe.__doc__ or "").partition("\n")[0].removesuffix(".")
    config.__doc__ = f"{summary}, {words}."
    config.__module__ = change.__module__
    return config


def schedule(
    value: Config, batch: int, rate: float, steps: int, decay_at: tuple[int, ...]
) -> Config:
    """Steps of so many images at a rate, of which `decay_at` each leave a tenth."""
    train = value.train
    train.batch_size = train.base_batch = batch
    train.learning_rate = rate
    train.steps = steps
    train.decay_at = decay_at
    return value


def cityscapes(value: Config) -> Config:
    """Eight classes; 800 to 1024 pixels in training, 1024x2048 at test; its metric."""
    data = value.data
    value.evaluation.metric = "cityscapes"
    value.model.num_classes = 8
    data.short_side = tuple(range(800, 1025, 32))
    data.max_side = data.eval_max_side = 2048
    data.eval_short_side = 1024
    return value


def resnext101(value: Config) -> Config:
    """ResNeXt-101-32x8d in place of the ResNet, with its stride in the 3x3."""
    backbone = value.model.backbone
    backbone.depth, backbone.groups, backbone.width_per_group = 101, 32, 8
    backbone.stride_in_1x1 = False
    return value


def cascade(value: Config) -> Config:
    """Three box stages, one box for all classes (Cascade R-CNN, CVPR 2018)."""
    boxes = value.model.boxes
    boxes.stages = cascade_stages()
    boxes.head.class_agnostic, boxes.head.background_row = True, False
    value.model.rpn.post_nms_train = 2000
    return value


def mask_scoring(value: Config) -> Config:
    """The MaskIoU head beside the mask head (Mask Scoring R-CNN, CVPR 2019)."""
    value.model.mask.scoring.enabled = True
    return value


def bias_towards_masks(value: Config, *terms: str) -> Config:
    """Loss terms that count 1.5 times in the first half (MaskPlus sec. 3.5)."""
    for term in terms:
        value.train.loss_weights[term] = LossWeightConfig(
            kind="step",
            points=(
                LossWeightPoint(at=0.0, weight=1.5),
                LossWeightPoint(at=0.5, weight=1.0),
            ),
        )
    return value


def refined(value: Config) -> Config:
    """The refining module on trained weights, with the schedule of MR R-CNN."""
    value.model.refine.enabled = True
    return schedule(value, 16, 0.002, 9000, decay_at=(6000,))
