"""BMask R-CNN (ECCV 2020): the paper's tables, and its release on Detectron2.

    tfmask train bmask_rcnn/r50 data.train=... data.val=... model.backbone.weights=...

The paper's tables come from maskrcnn-benchmark, its release is on Detectron2
(`detectron2_...`): about one point of AP lies between the two. The release also trains
its mask head on the boxes that the box head predicts, of which the paper says nothing;
with cascade stages it does not, although it is told to.

The Dice loss is the release's everywhere, with plain sums below the fraction, since its
code has the only figures that can be checked; Eq. 3 of the paper prints squares there,
which is `model.mask.boundary.dice_squared=true`.
"""

from tfmask.config import (
    BoundaryPreservingHeadConfig,
    Config,
    HRFPNConfig,
    HRNetConfig,
)
from tfmask.config.masks import BoundaryLoss, BoundaryTarget
from tfmask.configs import lineages
from tfmask.configs.lineages import (
    cascade,
    detectron2,
    maskrcnn_benchmark,
    schedule,
)

_ALL_LEVELS = ("p2", "p3", "p4", "p5")


def r50() -> Config:
    """BMask R-CNN, R50-FPN: boundaries from P2 at 28x28, both fusions, Dice-BCE."""
    value = maskrcnn_benchmark()
    value.model.mask.head = BoundaryPreservingHeadConfig(
        background_channel=True, predictor_initializer="msra"
    )
    return value


def r101() -> Config:
    """BMask R-CNN, R101-FPN."""
    value = r50()
    value.model.backbone.depth = 101
    return value


def _hrnet(value: Config) -> Config:
    """HRNetV2's setting: RGB images of unit variance, nothing frozen but its norms."""
    model = value.model
    model.channel_order = "rgb"
    model.pixel_mean = (123.675, 116.28, 103.53)
    model.pixel_std = (58.395, 57.12, 57.375)
    model.backbone = HRNetConfig(norm_epsilon=0.0)
    model.neck = HRFPNConfig()
    return value


def mask_rcnn_hrw32() -> Config:
    """Mask R-CNN, HRNetV2-W32: the baseline of `bmask_rcnn/hrw32`."""
    return _hrnet(maskrcnn_benchmark())


def hrw32() -> Config:
    """BMask R-CNN, HRNetV2-W32."""
    return _hrnet(r50())


# --- Cityscapes -----------------------------------------------------------------------


def cityscapes_mask_rcnn() -> Config:
    """Mask R-CNN, R50-FPN, on Cityscapes."""
    value = lineages.cityscapes(maskrcnn_benchmark())
    return schedule(value, 4, 0.005, 48000, decay_at=(36000,))


def cityscapes() -> Config:
    """BMask R-CNN, R50-FPN, on Cityscapes."""
    value = lineages.cityscapes(r50())
    return schedule(value, 4, 0.005, 48000, decay_at=(36000,))


# --- ablations, Tables 3 to 8 ---------------------------------------------------------


def _ablation(value: Config) -> Config:
    """Images of the ablations: 600 pixels, at most 1000."""
    data = value.data
    data.short_side = (600,)
    data.max_side = data.eval_max_side = 1000
    data.eval_short_side = 600
    return value


def _with_head(**settings) -> Config:
    """The ablations' BMask R-CNN with other settings of its head."""
    value = abl_full()
    for name, setting in settings.items():
        setattr(value.model.mask.head, name, setting)
    return value


def _with_loss(loss: BoundaryLoss) -> Config:
    value = abl_full()
    value.model.mask.boundary.loss = loss
    return value


def _with_target(target: BoundaryTarget) -> Config:
    value = abl_full()
    value.model.mask.boundary.target = target
    return value


def abl_base() -> Config:
    """The Mask R-CNN that the ablations start from."""
    return _ablation(maskrcnn_benchmark())


def abl_full() -> Config:
    """BMask R-CNN complete, on the images of the ablations."""
    return _ablation(r50())


def abl_boundary() -> Config:
    """A boundary branch with the mask's roi feature, no fusion, cross entropy."""
    value = abl_boundary_fusion()
    head = value.model.mask.head
    head.mask_to_boundary = head.boundary_to_mask = False
    return value


def abl_boundary_fusion() -> Config:
    """A boundary branch with the mask's roi feature, both fusions, cross entropy."""
    value = abl_boundary_fusion_bcedice()
    value.model.mask.boundary.loss = "bce"
    return value


def abl_boundary_fusion_bcedice() -> Config:
    """A boundary branch with the mask's roi feature, both fusions, Dice-BCE."""
    return _with_head(boundary_levels=_ALL_LEVELS, boundary_size=14)


def abl_gt_none() -> Config:
    """BMask R-CNN's head without a loss on its boundary branch."""
    return _with_target("none")


def abl_gt_mask() -> Config:
    """BMask R-CNN whose boundary branch is supervised with masks."""
    return _with_target("mask")


def abl_roi_p2_14() -> Config:
    """BMask R-CNN with a boundary feature of P2 at 14x14."""
    return _with_head(boundary_size=14)


def abl_roi_p25_28() -> Config:
    """BMask R-CNN with a boundary feature of P2 to P5 at 28x28."""
    return _with_head(boundary_levels=_ALL_LEVELS)


def abl_fuse_none() -> Config:
    """BMask R-CNN without fusion of masks and boundaries."""
    return _with_head(mask_to_boundary=False, boundary_to_mask=False)


def abl_fuse_m2b() -> Config:
    """BMask R-CNN with the fusion of masks into boundaries alone."""
    return _with_head(boundary_to_mask=False)


def abl_fuse_b2m() -> Config:
    """BMask R-CNN with the fusion of boundaries into masks alone."""
    return _with_head(mask_to_boundary=False)


def abl_loss_bce() -> Config:
    """BMask R-CNN with cross entropy as its boundary loss."""
    return _with_loss("bce")


def abl_loss_wbce() -> Config:
    """BMask R-CNN with cross entropy weighted by class as its boundary loss."""
    return _with_loss("weighted_bce")


def abl_loss_dice() -> Config:
    """BMask R-CNN with Dice as its boundary loss."""
    return _with_loss("dice")


def abl_lmh() -> Config:
    """Mask R-CNN with eight convolutions in its mask head, as many as BMask R-CNN's."""
    value = abl_base()
    value.model.mask.head.conv_layers = 8
    return value


def abl_sobel() -> Config:
    """Mask R-CNN with boundary supervision of its masks' Sobel gradient (sec. 4.4)."""
    value = abl_base()
    value.model.mask.sobel = True
    return value


# --- the release ----------------------------------------------------------------------


def detectron2_r50() -> Config:
    """BMask R-CNN, R50-FPN, as released on Detectron2 (1x)."""
    value = detectron2()
    value.data.short_side = (800,)
    value.model.mask.head = BoundaryPreservingHeadConfig()
    value.model.mask.train_on_predicted_boxes = True
    return value


def detectron2_r101() -> Config:
    """BMask R-CNN, R101-FPN, as released on Detectron2 (1x)."""
    value = detectron2_r50()
    value.model.backbone.depth = 101
    return value


def detectron2_cascade_mask_rcnn_r50() -> Config:
    """Cascade Mask R-CNN, R50-FPN, of Detectron2's model zoo (1x)."""
    return cascade(detectron2())


def detectron2_cascade_r50() -> Config:
    """Cascade BMask R-CNN, R50-FPN, as released on Detectron2 (1x)."""
    value = cascade(detectron2_r50())
    # Detectron2's cascade hands the sampled proposals to the mask head.
    value.model.mask.train_on_predicted_boxes = False
    return value


def detectron2_cascade_r101() -> Config:
    """Cascade BMask R-CNN, R101-FPN, as released on Detectron2 (1x)."""
    value = detectron2_cascade_r50()
    value.model.backbone.depth = 101
    return value


def detectron2_cityscapes() -> Config:
    """BMask R-CNN, R50-FPN, as released for Cityscapes: twice the paper's batch."""
    value = lineages.cityscapes(detectron2_r50())
    return schedule(value, 8, 0.01, 24000, decay_at=(18000,))
