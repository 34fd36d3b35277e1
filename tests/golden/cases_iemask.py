"""The golden cases of IEMask R-CNN's mask head and of Mask Scoring R-CNN's."""

from golden.compare import DEEP, OP, Row, relative
from golden.heads import load_head
from golden.operations import nchw
from golden.recipe import Case

from tfmask.configs import lineages
from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead
from tfmask.heads.mask_iou_head import MaskIoUHead


def iemask_mask_head(case: Case) -> list[Row]:
    head = EncoderDecoderMaskHead(80, name="mask_head")
    head.build({"mask": (None, 28, 28, 256)})
    settings = lineages.detectron2().model
    load_head(
        head, case, settings, "detectron2", "iemask_head/", "roi_heads.mask_head."
    )
    features = case.normal("iemask_head/features", (3, 256, 28, 28))
    logits = head({"mask": features.transpose(0, 2, 3, 1)})["mask"]
    expected = case.expected["mask_logits"]
    return [relative("mask_logits", nchw(logits)[:, ::10], expected, DEEP)]


def mask_scoring_head(case: Case) -> list[Row]:
    head = MaskIoUHead(80, background_row=True, name="mask_iou_head")
    head.build([(None, 14, 14, 256), (None, 28, 28)])
    settings = lineages.maskrcnn_benchmark().model
    load_head(
        head, case, settings, "maskrcnn_benchmark", "maskiou/", "roi_heads.maskiou."
    )
    features = case.normal("maskiou/features", (3, 256, 14, 14))
    masks = case.uniform("maskiou/mask_probabilities", (3, 1, 28, 28))
    ious = head([features.transpose(0, 2, 3, 1), masks[:, 0]])
    # Nothing reads the background's column, and the head does not hand it out.
    return [relative("mask_iou", ious, case.expected["mask_iou"][:, 1:], OP)]
