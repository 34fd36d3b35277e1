"""Figures that released code bases print of themselves, of models in the papers."""

from tfmask.config.tables import paper

PAPERS = (
    paper(
        "Mask Scoring R-CNN (CVPR 2019)",
        """
== README | COCO val2017 | box/AP mask/AP
mask_scoring/r50  | MS R-CNN R50-FPN  | 37.9 35.6
mask_scoring/r101 | MS R-CNN R101-FPN |    - 37.4
""",
    ),
    paper(
        "PANet (CVPR 2018)",
        """
== README | COCO val2017 | box/AP mask/AP
panet/r50 | PANet R50, of the paper   | 42.1 37.8
panet/r50 | PANet R50, of the release | 43.1 38.3
""",
    ),
    paper(
        "Detectron2",
        """
== model zoo | COCO val2017 | box/AP mask/AP
mask_rcnn/detectron2_r50 | Mask R-CNN R50-FPN 1x | 38.6 35.2
""",
    ),
    paper(
        "Tensorpack",
        """
== README of 2018-12 to 2019-05 | COCO val2017 | box/AP mask/AP
mask_rcnn/tensorpack_r50  | R50-FPN 2x  | 38.4 35.1
mask_rcnn/tensorpack_r101 | R101-FPN 2x | 40.4 36.6

== README | COCO val2017 | box/AP mask/AP
mask_rcnn/tensorpack_zoo_r50 | R50-FPN 2x | 38.9 35.4
> The file COCO-MaskRCNN-R50FPN2x.npz.
""",
    ),
)
