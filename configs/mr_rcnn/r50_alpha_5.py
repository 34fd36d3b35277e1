"""MR R-CNN, R50-FPN, alpha 5: refined scores count 5 times the base's.

MR R-CNN, Table 5 (COCO val2017). Alpha takes part in inference alone: `tfmask evaluate`
of this recipe with the weights of `mr_rcnn/r50` is this row; it need not be trained.

    tfmask train mr_rcnn/r50_alpha_5 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50
"""

from tfmask.config import Config
from tfmask.configs.figures import box, mask
from tfmask.configs.mr_rcnn._base import mr_rcnn, row


def config() -> Config:
    value = mr_rcnn()
    value.model.refine.alpha = 5.0
    value.published = (row("Table 5", "alpha 5", box(39.4) | mask(35.3), line=7),)
    return value
