"""IEMask R-CNN, and the methods it is compared with, on Detectron2's Mask R-CNN.

    tfmask train iemask_rcnn/r50 data.train=... data.val=... model.backbone.weights=...

The schedule is Detectron2's 1x: 720,000 steps of 2 images at a rate of 0.0025 are the
90,000 steps of 16 images at 0.02 of `mask_rcnn/detectron2_r50`.

Paper and release differ, and the recipes take of each what its figures support: the
global feature is concatenated and N2 is P2, as released; AFF weighs a convolution of
P_i, as Eq. 12 and the multiplications of Table 8 have it. The release defines that
convolution and never calls it: `model.neck.convolve_before_fusion=false`.
"""

from tfmask.config import (
    AdaptiveMaskHeadConfig,
    BoundaryPreservingHeadConfig,
    Config,
    EncoderDecoderHeadConfig,
    IEFPNConfig,
    PANetConfig,
)
from tfmask.configs.lineages import (
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


def _modules(cem=True, gim=True, bottom_up=True, aff=True, ed=True) -> Config:
    """IEMask R-CNN, or what is left of it without some of its modules."""
    value = baseline()
    value.model.neck = IEFPNConfig(
        channel_enhancement=cem,
        global_information=gim,
        bottom_up=bottom_up,
        adaptive_fusion=aff,
    )
    if ed:
        value.model.mask.head = EncoderDecoderHeadConfig()
    return value


def r50() -> Config:
    """IEMask R-CNN: information-enhanced FPN and encoding-decoding mask head."""
    return _modules()


def released_r50() -> Config:
    """IEMask R-CNN as the release computes it: no convolution before AFF."""
    value = _modules()
    value.model.neck.convolve_before_fusion = False
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


def cem() -> Config:
    """The channel enhancement module alone."""
    return _modules(gim=False, bottom_up=False, aff=False, ed=False)


def gim() -> Config:
    """The global information module alone."""
    return _modules(cem=False, bottom_up=False, aff=False, ed=False)


def iefpn() -> Config:
    """CEM and GIM, without the bottom-up path."""
    return _modules(bottom_up=False, aff=False, ed=False)


def bu() -> Config:
    """The bottom-up path, without adaptive feature fusion."""
    return _modules(cem=False, gim=False, aff=False, ed=False)


def bu_aff() -> Config:
    """The bottom-up path with adaptive feature fusion."""
    return _modules(cem=False, gim=False, ed=False)


def ed() -> Config:
    """The encoding-decoding mask head on the plain FPN."""
    value = baseline()
    value.model.mask.head = EncoderDecoderHeadConfig()
    return value


def row_8() -> Config:
    """CEM, bottom-up path and AFF: the likeliest reading of Table 3, row 8.

    The paper's text leaves open which of CEM and GIM it has, and whether not both of
    them without AFF. Its figures are nearer those of CEM alone than of GIM alone.
    """
    return _modules(gim=False, ed=False)


def iefpn_bu_aff() -> Config:
    """The whole information-enhanced FPN with Mask R-CNN's head."""
    return _modules(ed=False)


def wo_aff() -> Config:
    """IEMask R-CNN without adaptive feature fusion."""
    return _modules(aff=False)


def bu_aff_ed() -> Config:
    """The bottom-up path, AFF and the encoding-decoding mask head."""
    return _modules(cem=False, gim=False)


def wo_gim() -> Config:
    """IEMask R-CNN without the global information module."""
    return _modules(gim=False)


def wo_cem() -> Config:
    """IEMask R-CNN without the channel enhancement module."""
    return _modules(cem=False)


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
    """LVIS 1.0: 1203 classes, 300 detections from a score of 0.0001 on."""
    model = value.model
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
