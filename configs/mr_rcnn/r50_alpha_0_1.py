"""MR R-CNN, R50-FPN, alpha 0.1: refined scores count 0.1 times the base's.

MR R-CNN, Table 5 (COCO val2017). Alpha takes part in inference alone: `tfmask evaluate`
of this recipe with the weights of `mr_rcnn/r50` is this row; it need not be trained.

    tfmask train mr_rcnn/r50_alpha_0_1 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn()
    value.model.refine.alpha = 0.1
    value.published = (row("Table 5", "alpha 0.1", box(39.3) | mask(35.2), line=2),)
    return value
