"""MR R-CNN: a refining module on a trained Mask R-CNN of maskrcnn-benchmark.

    tfmask train mr_rcnn/r50 data.train=... data.val=... \\
        model.weights=runs/maskrcnn_benchmark_r50

Each starts from the trained `mask_rcnn/maskrcnn_benchmark_r50`, `..._r101` or
`..._x101` and has 9,000 iterations. The paper does not say which weights stay as they
were; none are frozen here. The losses of the module count as much as those they refine.
"""

from tfmask.config import Config
from tfmask.configs import mask_rcnn
from tfmask.configs.lineages import Recipe, changed, refined


def r50() -> Config:
    """MR R-CNN on maskrcnn-benchmark's R50-FPN."""
    return refined(mask_rcnn.maskrcnn_benchmark_r50())


def r101() -> Config:
    """MR R-CNN on maskrcnn-benchmark's R101-FPN."""
    return refined(mask_rcnn.maskrcnn_benchmark_r101())


def x101() -> Config:
    """MR R-CNN on maskrcnn-benchmark's X101-32x8d-FPN."""
    return refined(mask_rcnn.maskrcnn_benchmark_x101())


def r101_dcn() -> Config:
    """MR R-CNN, R101-FPN with deformable convolutions in C3 to C5.

    The paper does not say which stages; these are maskrcnn-benchmark's.
    """
    value = r101()
    value.model.backbone.deformable = "v1"
    return value


# --- ablations, Tables 3 and 4 --------------------------------------------------------


def _plain(value: Config) -> Config:
    value.model.refine.pooling = "plain"
    return value


def _scores_only(value: Config) -> Config:
    value.model.refine.boxes = False
    return value


def _boxes_only(value: Config) -> Config:
    value.model.refine.classes = False
    return value


r50_rm_only = changed(r50, _plain, "the RoIAlign plain")
r101_rm_only = changed(r101, _plain, "the RoIAlign plain")
x101_rm_only = changed(x101, _plain, "the RoIAlign plain")
r50_cls_only = changed(r50, _scores_only, "the boxes left as they were")
r101_cls_only = changed(r101, _scores_only, "the boxes left as they were")
x101_cls_only = changed(x101, _scores_only, "the boxes left as they were")
r50_reg_only = changed(r50, _boxes_only, "the scores left as they were")
r101_reg_only = changed(r101, _boxes_only, "the scores left as they were")
x101_reg_only = changed(x101, _boxes_only, "the scores left as they were")


# --- Table 5 --------------------------------------------------------------------------

# Alpha takes part in inference alone: `tfmask evaluate` of these with the weights of
# `mr_rcnn/r50` gives their rows; they need not be trained.


def _weighed(alpha: float) -> Recipe:
    def change(value: Config) -> Config:
        value.model.refine.alpha = alpha
        return value

    return changed(r50, change, f"refined scores counting {alpha:g} times the base's")


r50_alpha_0 = _weighed(0.0)
r50_alpha_0_1 = _weighed(0.1)
r50_alpha_0_2 = _weighed(0.2)
r50_alpha_0_5 = _weighed(0.5)
r50_alpha_2 = _weighed(2.0)
r50_alpha_5 = _weighed(5.0)
r50_alpha_10 = _weighed(10.0)
