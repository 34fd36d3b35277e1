"""Tables of MR R-CNN (Mask Refining R-CNN)."""

from tfmask.config.tables import BOX_3, MASK_3, paper

PAPER = paper(
    "MR R-CNN",
    f"""
== Table 1 | COCO val2017 | {BOX_3} {MASK_3}
mask_rcnn/maskrcnn_benchmark_r50  | Mask R-CNN R50-FPN        | 37.8 59.1 41.0 34.2 55.6 36.5
mr_rcnn/r50                       | MR R-CNN R50-FPN          | 39.5 60.3 43.2 35.4 57.0 37.7
mask_rcnn/maskrcnn_benchmark_r101 | Mask R-CNN R101-FPN       | 40.1 61.8 44.0 36.1 58.2 38.3
mr_rcnn/r101                      | MR R-CNN R101-FPN         | 41.4 62.4 45.5 37.1 59.1 39.7
mask_rcnn/maskrcnn_benchmark_x101 | Mask R-CNN X101-32x8d-FPN | 42.2 64.0 46.1 37.8 60.6 40.2
mr_rcnn/x101                      | MR R-CNN X101-32x8d-FPN   | 43.6 64.6 47.9 38.8 61.4 41.5

== Table 2 | COCO test-dev | {BOX_3} {MASK_3}
-                                 | MNC                       |    -    -    - 24.6 44.3 24.8
-                                 | FCIS                      |    -    -    - 29.2 49.5    -
-                                 | FCIS++                    |    -    -    - 33.6 54.5    -
-                                 | MaskLab                   |    -    -    - 35.4 57.4 37.4
-                                 | MaskLab+                  |    -    -    - 37.3 59.8 36.6
-                                 | MaskLab+ (JFT)            |    -    -    - 38.1 61.1 40.4
-                                 | MS R-CNN R101             | 39.1 58.2 43.2 35.4 54.9 38.1
mask_scoring/r101                 | MS R-CNN R101-FPN         | 41.6 62.3 46.2 37.4 57.9 40.4
mask_scoring/r101_dcn             | MS R-CNN R101-DCN-FPN     | 43.6 64.4 48.5 39.6 60.7 43.1
mask_rcnn/maskrcnn_benchmark_r50  | Mask R-CNN R50-FPN        | 38.0 59.7 41.5 34.6 56.5 36.6
mr_rcnn/r50                       | MR R-CNN R50-FPN          | 39.9 60.9 43.5 35.6 57.7 38.0
mask_rcnn/maskrcnn_benchmark_r101 | Mask R-CNN R101-FPN       | 40.2 61.9 44.0 36.2 58.6 38.5
mr_rcnn/r101                      | MR R-CNN R101-FPN         | 41.5 62.8 45.4 37.2 59.7 39.7
mask_rcnn/maskrcnn_benchmark_x101 | Mask R-CNN X101-32x8d-FPN | 42.6 64.9 46.6 38.3 61.6 40.8
mr_rcnn/x101                      | MR R-CNN X101-32x8d-FPN   | 44.1 65.7 48.3 39.3 62.6 42.0
mr_rcnn/r101_dcn                  | MR R-CNN R101-DCN-FPN     | 44.1 65.5 48.2 39.7 62.6 42.7
> MS R-CNN R101 has no feature pyramid (C4), a form that tfmask does not have.

== Table 3 | COCO val2017 | box/AP mask/AP
mask_rcnn/maskrcnn_benchmark_r50  | R50-FPN                   | 37.8 34.2
mr_rcnn/r50_rm_only               | R50-FPN, RM               | 38.6 35.0
mr_rcnn/r50                       | R50-FPN, RM + SARA        | 39.5 35.4
mask_rcnn/maskrcnn_benchmark_r101 | R101-FPN                  | 40.1 36.1
mr_rcnn/r101_rm_only              | R101-FPN, RM              | 40.5 36.6
mr_rcnn/r101                      | R101-FPN, RM + SARA       | 41.4 37.1
mask_rcnn/maskrcnn_benchmark_x101 | X101-32x8d-FPN            | 42.2 37.8
mr_rcnn/x101_rm_only              | X101-32x8d-FPN, RM        | 42.7 38.3
mr_rcnn/x101                      | X101-32x8d-FPN, RM + SARA | 43.6 38.8
> RM: the refining module with the plain RoIAlign. SARA: with the shape-aware one.

== Table 4 | COCO val2017 | box/AP mask/AP
mask_rcnn/maskrcnn_benchmark_r50  | R50-FPN                   | 37.8 34.2
mr_rcnn/r50_cls_only              | R50-FPN, CLS              | 38.3 35.0
mr_rcnn/r50_reg_only              | R50-FPN, REG              | 39.1 35.1
mr_rcnn/r50                       | R50-FPN, CLS + REG        | 39.5 35.4
mask_rcnn/maskrcnn_benchmark_r101 | R101-FPN                  | 40.1 36.1
mr_rcnn/r101_cls_only             | R101-FPN, CLS             | 40.4 36.8
mr_rcnn/r101_reg_only             | R101-FPN, REG             | 41.2 37.0
mr_rcnn/r101                      | R101-FPN, CLS + REG       | 41.4 37.1
mask_rcnn/maskrcnn_benchmark_x101 | X101-32x8d-FPN            | 42.2 37.8
mr_rcnn/x101_cls_only             | X101-32x8d-FPN, CLS       | 42.7 38.6
mr_rcnn/x101_reg_only             | X101-32x8d-FPN, REG       | 43.2 38.5
mr_rcnn/x101                      | X101-32x8d-FPN, CLS + REG | 43.6 38.8
> Whether the refined scores (CLS) and boxes (REG) are used.

== Table 5 | COCO val2017 | box/AP mask/AP
mr_rcnn/r50_alpha_0   | alpha 0   | 39.1 35.1
mr_rcnn/r50_alpha_0_1 | alpha 0.1 | 39.3 35.2
mr_rcnn/r50_alpha_0_2 | alpha 0.2 | 39.3 35.2
mr_rcnn/r50_alpha_0_5 | alpha 0.5 | 39.5 35.4
mr_rcnn/r50           | alpha 1   | 39.5 35.4
mr_rcnn/r50_alpha_2   | alpha 2   | 39.5 35.4
mr_rcnn/r50_alpha_5   | alpha 5   | 39.4 35.3
mr_rcnn/r50_alpha_10  | alpha 10  | 39.2 35.2
> Alpha takes part in inference alone: one trained model has all of these rows.
""",
)
