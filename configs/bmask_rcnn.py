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

from dataclasses import replace

from tfmask.config import (
    BoundaryPreservingHeadConfig,
    Config,
    HRFPNConfig,
    HRNetConfig,
)
from tfmask.configs import lineages
from tfmask.configs.lineages import (
    Recipe,
    cascade,
    changed,
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


def abl_base() -> Config:
    """Mask R-CNN on the images of the ablations."""
    return _ablation(maskrcnn_benchmark())


def abl_full() -> Config:
    """BMask R-CNN on the images of the ablations."""
    return _ablation(r50())


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


def _with(words: str, loss="dice_bce", target="boundary", **head) -> Recipe:
    """The full model with other settings of its boundary loss and of its head."""

    def change(value: Config) -> Config:
        boundary = value.model.mask.boundary
        boundary.loss, boundary.target = loss, target
        value.model.mask.head = replace(value.model.mask.head, **head)
        return value

    return changed(abl_full, change, f"with {words}")


_OF_MASK = dict(boundary_levels=_ALL_LEVELS, boundary_size=14)  # the mask's roi feature
_NO_FUSION = dict(mask_to_boundary=False, boundary_to_mask=False)

abl_boundary = _with(
    "the mask's feature, unfused, BCE", "bce", **_OF_MASK, **_NO_FUSION
)
abl_boundary_fusion = _with("the mask's feature, BCE", "bce", **_OF_MASK)
abl_boundary_fusion_bcedice = _with("the mask's feature", **_OF_MASK)
abl_gt_none = _with("no loss on its boundary branch", target="none")
abl_gt_mask = _with("masks as targets of its boundary branch", target="mask")
abl_roi_p2_14 = _with("a boundary feature of 14x14", boundary_size=14)
abl_roi_p25_28 = _with("a boundary feature of P2 to P5", boundary_levels=_ALL_LEVELS)
abl_fuse_none = _with("no fusion of masks and boundaries", **_NO_FUSION)
abl_fuse_m2b = _with("fusion of masks into boundaries alone", boundary_to_mask=False)
abl_fuse_b2m = _with("fusion of boundaries into masks alone", mask_to_boundary=False)
abl_loss_bce = _with("BCE as its boundary loss", "bce")
abl_loss_wbce = _with("weighted BCE as its boundary loss", "weighted_bce")
abl_loss_dice = _with("Dice as its boundary loss", "dice")


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
