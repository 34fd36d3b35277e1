"""Tables of MaskPlus (WACV 2020)."""

from tfmask.config.tables import BOX_6, MASK_6, paper

PAPER = paper(
    "MaskPlus (WACV 2020)",
    f"""
== Table 1 | COCO val2017 | {MASK_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN      | 35.1 56.6 37.5 18.4 38.4 48.3
maskplus/cf_256x2        | 256-256         | 35.3 56.7 37.6 18.6 38.6 48.6
maskplus/cf_256x3        | 256-256-256     | 35.4 56.9 37.7 18.4 38.5 48.7
maskplus/cf_720          | 720-512-512-256 | 35.5 57.0 37.8 18.5 38.7 48.8
> Contextual fusion, by the filters of its convolutions. Tables 1 to 6 have an R50-FPN.

== Table 2 | COCO val2017 | {MASK_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN              | 35.1 56.6 37.5 18.4 38.4 48.3
maskplus/dpm             | deconvolutional pyramid | 35.4 56.9 37.6 18.8 38.6 48.3

== Table 3 | COCO val2017 | {MASK_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN                    | 35.1 56.6 37.5 18.4 38.4 48.3
maskplus/br_original     | boundary refinement, original | 35.2 56.6 37.6 18.3 38.2 48.4
maskplus/ibr             | boundary refinement, improved | 35.5 56.9 38.0 18.3 38.8 49.1

== Table 4 | COCO val2017 | {MASK_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN           | 35.1 56.6 37.5 18.4 38.4 48.3
maskplus/mask05x         | 0.5x mask            | 34.3 56.4 36.7 17.9 37.7 46.4
maskplus/qml05           | quasi-multitask 0.5x | 35.4 56.7 37.7 18.4 38.6 48.7
maskplus/qml2            | quasi-multitask 2x   | 35.2 56.5 37.5 18.5 38.3 48.4

== Table 5 | COCO val2017 | {BOX_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN      | 38.3 59.8 41.6 21.8 41.9 50.3
maskplus/biased          | biased training | 38.6 60.0 41.8 21.7 42.1 51.3

== Table 6 | COCO val2017 | {MASK_6}
mask_rcnn/tensorpack_r50 | Mask R-CNN      | 35.1 56.6 37.5 18.4 38.4 48.3
maskplus/biased          | biased training | 35.4 56.7 37.8 18.2 38.5 48.8

== Table 7 | COCO test-dev | {MASK_6}
-                           | MNC R101-C4         | 24.6 44.3 24.8  4.7 25.9 43.6
-                           | FCIS + OHEM         | 29.2 49.5    -  7.1 31.3 50.0
-                           | MaskLab+            | 37.3 59.8 39.6 19.1 40.5 50.6
-                           | MaskLab+ (JFT)      | 38.1 61.1 40.4 19.6 41.6 51.4
mask_scoring/r101           | Mask Scoring R-CNN  | 38.3 58.8 41.5 17.8 40.4 54.4
-                           | Hybrid Task Cascade | 39.7 61.8 43.1 21.0 42.2 53.5
mask_rcnn/tensorpack_r101   | Mask R-CNN          | 36.9 59.0 39.5 19.9 39.7 48.3
maskplus/maskplus_r101      | MaskPlus            | 38.1 59.9 41.0 20.2 40.8 50.4
maskplus/maskplus_plus_r101 | MaskPlus+           | 40.9 63.0 44.5 23.5 43.6 52.3
> Mask Scoring R-CNN is cited from its authors, whose code is that of the recipe.
""",
)
