"""IEMask R-CNN, and the methods it is compared with, on Detectron2's Mask R-CNN.

    tfmask train iemask_rcnn/r50 data.train=... data.val=... model.backbone.weights=...

The schedule is Detectron2's 1x: 720,000 steps of 2 images at a rate of 0.0025 are the
90,000 steps of 16 images at 0.02 of `mask_rcnn/detectron2_r50`.

Paper and release differ, and the recipes take of each what its figures support: the
global feature is concatenated and N2 is P2, as released; AFF weighs a convolution of
P_i, as Eq. 12 and the multiplications of Table 8 have it. The release defines that
convolution and never calls it: `model.neck.convolve_before_fusion=false`.
"""

from collections.abc import Callable

from tfmask.config import (
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    Config,
    EncoderDecoderHeadConfig,
    IEFPNConfig,
    PANetConfig,
)
from tfmask.configs.lineages import (
    Recipe,
    cascade,
    changed,
    cityscapes,
    detectron2,
    mask_scoring,
    resnext101,
    schedule,
)


def baseline() -> Config:
    """Mask R-CNN in the paper's setting, a batch of 2."""
    value = detectron2()
    return schedule(value, 2, 0.0025, 720000, decay_at=(480000, 640000))


def cascade_r50() -> Config:
    """Cascade Mask R-CNN in the paper's setting."""
    return cascade(baseline())


def mask_scoring_r50() -> Config:
    """Mask Scoring R-CNN in the paper's setting."""
    return mask_scoring(baseline())


def panet_r50() -> Config:
    """PANet in the paper's setting.

    It has what the parameters of Table 8 leave room for: the bottom-up path and the
    fully connected fusion, without normalisation and adaptive pooling.
    """
    value = baseline()
    value.model.neck = PANetConfig()
    value.model.mask.head = AdaptiveMaskHeadConfig(
        adaptive_pooling=False, predictor_initializer="normal"
    )
    return value


def bmask_r50() -> Config:
    """BMask R-CNN's release in the paper's setting."""
    value = baseline()
    value.model.mask.head = BoundaryPreservingHeadConfig()
    value.model.mask.train_on_predicted_boxes = True
    return value


def r50() -> Config:
    """IEMask R-CNN: information-enhanced FPN and encoding-decoding mask head."""
    value = baseline()
    value.model.neck = IEFPNConfig()
    return _encoder_decoder(value)


def released_r50() -> Config:
    """IEMask R-CNN as the release computes it: no convolution before AFF."""
    value = r50()
    value.model.neck.convolve_before_fusion = False
    return value


def _encoder_decoder(value: Config) -> Config:
    value.model.mask.head = EncoderDecoderHeadConfig()
    return value


# --- other trunks, Table 5 ------------------------------------------------------------


def _r101(value: Config) -> Config:
    value.model.backbone.depth = 101
    return value


def _x101(value: Config) -> Config:
    value.model.pixel_std = (58.395, 57.12, 57.375)
    return resnext101(value)


mask_rcnn_r101 = changed(baseline, _r101, "R101")
mask_scoring_r101 = changed(mask_scoring_r50, _r101, "R101")
panet_r101 = changed(panet_r50, _r101, "R101")
bmask_r101 = changed(bmask_r50, _r101, "R101")
r101 = changed(r50, _r101, "R101")
mask_rcnn_x101 = changed(baseline, _x101, "X101-32x8d")
mask_scoring_x101 = changed(mask_scoring_r50, _x101, "X101-32x8d")
panet_x101 = changed(panet_r50, _x101, "X101-32x8d")
bmask_x101 = changed(bmask_r50, _x101, "X101-32x8d")
x101 = changed(r50, _x101, "X101-32x8d")


# --- ablations, Table 3 ---------------------------------------------------------------

# The text leaves open what row 8 has: one of CEM and GIM with the bottom-up path
# and AFF, or both without AFF. Its figures are nearest those of CEM.


def _with(words: str, cem=False, gim=False, bottom_up=True, aff=True) -> Recipe:
    """The baseline with some modules of the information-enhanced FPN."""

    def change(value: Config) -> Config:
        value.model.neck = IEFPNConfig(
            channel_enhancement=cem,
            global_information=gim,
            bottom_up=bottom_up,
            adaptive_fusion=aff,
        )
        return value

    return changed(baseline, change, f"with {words}")


cem = _with("CEM", cem=True, bottom_up=False, aff=False)
gim = _with("GIM", gim=True, bottom_up=False, aff=False)
iefpn = _with("CEM and GIM", cem=True, gim=True, bottom_up=False, aff=False)
bu = _with("the bottom-up path", aff=False)
bu_aff = _with("the bottom-up path and AFF")
ed = changed(baseline, _encoder_decoder, "with the encoding-decoding mask head")
row_8 = _with("CEM, the bottom-up path and AFF", cem=True)
iefpn_bu_aff = _with("CEM, GIM, the bottom-up path and AFF", cem=True, gim=True)


def _without(module: str) -> Callable[[Config], Config]:

    def change(value: Config) -> Config:
        setattr(value.model.neck, module, False)
        return value

    return change


wo_aff = changed(r50, _without("adaptive_fusion"), "without AFF")
wo_gim = changed(r50, _without("global_information"), "without GIM")
wo_cem = changed(r50, _without("channel_enhancement"), "without CEM")
bu_aff_ed = changed(wo_gim, _without("channel_enhancement"), "without CEM")


# --- Cityscapes, Tables 4 and 6 -------------------------------------------------------


def _cityscapes(value: Config) -> Config:
    """The steps as printed: the rate is four times what a batch of 2 has elsewhere."""
    return schedule(cityscapes(value), 2, 0.01, 160000, decay_at=(140000,))


cityscapes_mask_rcnn_r50 = changed(baseline, _cityscapes, "on Cityscapes")
cityscapes_panet_r50 = changed(panet_r50, _cityscapes, "on Cityscapes")
cityscapes_mask_scoring_r50 = changed(mask_scoring_r50, _cityscapes, "on Cityscapes")
cityscapes_bmask_r50 = changed(bmask_r50, _cityscapes, "on Cityscapes")
cityscapes_r50 = changed(r50, _cityscapes, "on Cityscapes")
cityscapes_wo_aff = changed(wo_aff, _cityscapes, "on Cityscapes")


# --- LVIS, Tables 4 and 7 -------------------------------------------------------------


def _lvis(value: Config) -> Config:
    """LVIS 1.0: 1203 classes, 300 detections from a score of 0.0001 on; its metric.

    As Detectron2's recipe has it: images with rare classes are repeated, and the loss
    is the plain one, which takes what is not annotated in an image for background.
    """
    model = value.model
    value.data.repeat_threshold = 0.001
    value.evaluation.metric = "lvis"
    model.num_classes = 1203
    model.postprocess.score_threshold = 1e-4
    model.postprocess.max_detections = 300
    value.evaluation.max_dets = (1, 10, 300)
    return schedule(value, 2, 0.0025, 1440000, decay_at=(960000, 1280000))


lvis_mask_rcnn_r50 = changed(baseline, _lvis, "on LVIS")
lvis_mask_rcnn_r101 = changed(mask_rcnn_r101, _lvis, "on LVIS")
lvis_mask_rcnn_x101 = changed(mask_rcnn_x101, _lvis, "on LVIS")
lvis_panet_r50 = changed(panet_r50, _lvis, "on LVIS")
lvis_panet_r101 = changed(panet_r101, _lvis, "on LVIS")
lvis_panet_x101 = changed(panet_x101, _lvis, "on LVIS")
lvis_mask_scoring_r50 = changed(mask_scoring_r50, _lvis, "on LVIS")
lvis_mask_scoring_r101 = changed(mask_scoring_r101, _lvis, "on LVIS")
lvis_mask_scoring_x101 = changed(mask_scoring_x101, _lvis, "on LVIS")
lvis_bmask_r50 = changed(bmask_r50, _lvis, "on LVIS")
lvis_bmask_r101 = changed(bmask_r101, _lvis, "on LVIS")
lvis_bmask_x101 = changed(bmask_x101, _lvis, "on LVIS")
lvis_r50 = changed(r50, _lvis, "on LVIS")
lvis_r101 = changed(r101, _lvis, "on LVIS")
lvis_x101 = changed(x101, _lvis, "on LVIS")
lvis_wo_aff = changed(wo_aff, _lvis, "on LVIS")
