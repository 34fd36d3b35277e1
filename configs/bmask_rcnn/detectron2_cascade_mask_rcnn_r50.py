"""Cascade Mask R-CNN, R50-FPN, as released on Detectron2 (1x).

BMask R-CNN (ECCV 2020), table of the release's README (COCO val2017).

    tfmask train bmask_rcnn/detectron2_cascade_mask_rcnn_r50 \\
        data.train=... data.val=... model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.bmask_rcnn._base import released, released_row
from tfmask.configs.figures import mask


def config() -> Config:
    value = released()
    value.model.box.class_agnostic = True
    value.model.rpn.post_nms_train = 2000
    value.model.mask.head = "fcn"
    value.model.mask.train_on_predicted_boxes = False
    value.published = (released_row("Cascade Mask R-CNN R50-FPN", mask(36.4), line=4),)
    value.waits_for = "Cascade R-CNN box stages"
    return value
