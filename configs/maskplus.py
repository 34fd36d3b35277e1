"""MaskPlus (WACV 2020), on Tensorpack's Mask R-CNN R50-FPN (2x) unless said.

    tfmask train maskplus/cf_720 data.train=... data.val=... model.backbone.weights=...

The paper prints a learning rate of 0.02 for its batch of 8. Tensorpack's is 0.01 there,
and with it the baseline has the paper's figures: that is what stands here. The paper
also trains the RPN apart, without sharing weights with the detector (sec. 4.2), where
its code base trains the two jointly, which is what stands here;
`model.rpn.separate_backbone=true` gives the RPN a trunk of its own.
"""

from tfmask.config import Config
from tfmask.configs.lineages import bias_towards_masks, cascade, tensorpack


def _context(*filters: int) -> Config:
    """Contextual fusion with convolutions of so many filters (sec. 3.1)."""
    value = tensorpack()
    value.model.mask.context.filters = filters
    return value


def cf_256x2() -> Config:
    """Contextual fusion of two convolutions."""
    return _context(256, 256)


def cf_256x3() -> Config:
    """Contextual fusion of three convolutions."""
    return _context(256, 256, 256)


def cf_512() -> Config:
    """Contextual fusion as section 3.1 first has it, 512-256-256."""
    return _context(512, 256, 256)


def cf_720() -> Config:
    """Contextual fusion of four convolutions, the paper's best."""
    return _context(720, 512, 512, 256)


def dpm() -> Config:
    """The deconvolutional pyramid module (sec. 3.2)."""
    value = tensorpack()
    value.model.mask.pyramid.enabled = True
    return value


def br_original() -> Config:
    """The boundary refinement of Peng et al. (2017)."""
    value = tensorpack()
    value.model.mask.refinement.kind = "original"
    return value


def ibr() -> Config:
    """MaskPlus's densely connected boundary refinement (sec. 3.3)."""
    value = tensorpack()
    value.model.mask.refinement.kind = "improved"
    return value


def mask05x() -> Config:
    """Masks of 14x14: the mask head without its deconvolution."""
    value = tensorpack()
    value.model.mask.head.upsample = False
    return value


def qml05() -> Config:
    """A quasi-multitask branch of half the resolution (sec. 3.4)."""
    value = tensorpack()
    value.model.mask.quasi.sizes = (0.5,)
    return value


def qml2() -> Config:
    """A quasi-multitask branch of twice the resolution."""
    value = tensorpack()
    value.model.mask.quasi.sizes = (2.0,)
    return value


def biased() -> Config:
    """Biased training: the mask loss counts 1.5 times in the first half (sec. 3.5)."""
    return bias_towards_masks(tensorpack(), "mask")


def maskplus_r50() -> Config:
    """MaskPlus, R50-FPN: all five in their best settings; the paper has R101."""
    value = _context(720, 512, 512, 256)
    mask = value.model.mask
    mask.pyramid.enabled = True
    mask.refinement.kind = "improved"
    mask.quasi.sizes = (0.5,)
    return bias_towards_masks(value, "mask", "mask_quasi_half")


def maskplus_r101() -> Config:
    """MaskPlus, R101-FPN: all five techniques in the paper's best settings."""
    value = maskplus_r50()
    value.model.backbone.depth = 101
    return value


def maskplus_plus_r101() -> Config:
    """MaskPlus+, R101-FPN: MaskPlus on Cascade R-CNN, trained half as long again."""
    value = cascade(maskplus_r101())
    value.train.steps = 540000
    value.train.decay_at = (420000, 500000)
    return value
