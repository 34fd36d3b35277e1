"""Tables of BMask R-CNN (ECCV 2020), and of its release."""

from tfmask.config.tables import BOX_3, MASK_3, MASK_6, paper

_CLASSES = "person rider car truck bus train motorcycle bicycle".split()
_PER_CLASS = " ".join(f"mask/AP/{name}" for name in _CLASSES)

PAPER = paper(
    "BMask R-CNN (ECCV 2020)",
    f"""
== Table 1 | COCO val2017 | {MASK_3} {BOX_3}
mask_rcnn/maskrcnn_benchmark_r50  | Mask R-CNN R50-FPN      | 34.2 56.0 36.3 37.8 59.2 41.1
bmask_rcnn/r50                    | BMask R-CNN R50-FPN     | 35.6 56.3 38.4 37.8 59.0 41.5
mask_rcnn/maskrcnn_benchmark_r101 | Mask R-CNN R101-FPN     | 36.1 58.1 38.3 40.1 61.7 44.0
bmask_rcnn/r101                   | BMask R-CNN R101-FPN    | 37.8 59.1 40.6 40.4 62.0 44.3
bmask_rcnn/mask_rcnn_hrw32        | Mask R-CNN HRNetV2-W32  | 36.6 58.7 38.9 40.8 61.9 44.9
bmask_rcnn/hrw32                  | BMask R-CNN HRNetV2-W32 | 38.1 59.4 40.7 41.0 61.9 45.1

== Table 2 | COCO test-dev | {MASK_6}
-                                 | MNC                                    | 24.6    -    -    -    -    -
-                                 | FCIS+++                                | 33.6 54.5    -    -    -    -
mask_rcnn/detectron2_r101         | Mask R-CNN R101-FPN                    | 35.7 58.0 37.8 15.5 38.1 52.4
mask_rcnn/detectron2_x101         | Mask R-CNN X101-FPN                    | 37.1 60.0 39.4 16.9 39.9 53.5
-                                 | MaskLab                                | 35.4 57.4 37.4 16.9 38.3 49.2
-                                 | MaskLab+                               | 37.3 59.8 39.6 19.1 40.5 50.6
mask_scoring/r50                  | MS R-CNN R50-FPN                       | 35.8 56.5 38.4 16.2 37.4 51.0
mask_scoring/r101                 | MS R-CNN R101-FPN                      | 37.5 58.7 40.2 17.2 39.5 53.0
-                                 | CondInst                               | 35.4 56.4 37.6 18.4 37.9 46.9
-                                 | BlendMask                              | 34.3 55.4 36.6 14.9 36.4 48.9
-                                 | PointRend                              | 36.3    -    -    -    -    -
mask_rcnn/maskrcnn_benchmark_r50  | Mask R-CNN* R50-FPN                    | 34.6 56.5 36.6 15.4 36.3 49.7
bmask_rcnn/r50                    | BMask R-CNN R50-FPN                    | 35.9 57.0 38.6 15.8 37.6 52.2
mask_rcnn/maskrcnn_benchmark_r101 | Mask R-CNN* R101-FPN                   | 36.2 58.6 38.4 16.4 38.4 52.1
bmask_rcnn/r101                   | BMask R-CNN R101-FPN                   | 37.7 59.3 40.6 16.8 39.9 54.6
mask_scoring/bmask_r101           | BMask R-CNN R101-FPN with Mask Scoring | 38.7 59.1 41.9 17.4 40.7 55.5
> Mask R-CNN without a star is cited from its own paper, of 2017; the recipes are its
> authors' later code, whose figures are higher.

== Table 3 | COCO val2017 | {MASK_3} box/AP
bmask_rcnn/abl_base                    | Mask R-CNN                              | 33.2 54.4 34.9 36.6
bmask_rcnn/abl_boundary                | + boundary                              | 33.9 54.8 35.8 36.7
bmask_rcnn/abl_boundary_fusion         | + boundary, fusion                      | 34.2 55.4 36.4 36.8
bmask_rcnn/abl_boundary_fusion_bcedice | + boundary, fusion, Dice-BCE            | 34.4 55.0 36.6 36.7
bmask_rcnn/abl_full                    | + boundary, fusion, Dice-BCE, P2, 28x28 | 34.7 55.1 37.2 36.8
> Tables 3 to 8 have an R50-FPN and images of 600/1000.

== Table 4 | COCO val2017 | {MASK_3} box/AP
bmask_rcnn/abl_gt_none | none     | 34.0 55.0 36.0 36.3
bmask_rcnn/abl_gt_mask | mask     | 33.9 54.3 35.9 36.0
bmask_rcnn/abl_full    | boundary | 34.7 55.1 37.2 36.8
> What supervises the boundary branch.

== Table 5 | COCO val2017 | {MASK_3} box/AP
bmask_rcnn/abl_boundary_fusion_bcedice | P2-P5, 14x14 | 34.4 55.1 36.5 36.8
bmask_rcnn/abl_roi_p2_14               | P2, 14x14    | 34.5 55.0 36.7 36.7
bmask_rcnn/abl_roi_p25_28              | P2-P5, 28x28 | 34.4 55.1 36.8 36.6
bmask_rcnn/abl_full                    | P2, 28x28    | 34.7 55.1 37.2 36.8
> Its first row is the model of Table 3's fourth, printed with other decimals.

== Table 6 | COCO val2017 | {MASK_3} box/AP
bmask_rcnn/abl_fuse_none | none             | 33.7 55.0 35.7 36.8
bmask_rcnn/abl_fuse_m2b  | mask to boundary | 34.2 54.9 36.5 36.8
bmask_rcnn/abl_fuse_b2m  | boundary to mask | 33.9 54.7 36.1 36.6
bmask_rcnn/abl_full      | both             | 34.7 55.1 37.2 36.8

== Table 7 | COCO val2017 | {MASK_3} box/AP
bmask_rcnn/abl_loss_bce  | BCE          | 34.3 54.9 36.3 36.7
bmask_rcnn/abl_loss_wbce | weighted BCE | 34.1 55.0 36.2 36.7
bmask_rcnn/abl_loss_dice | Dice         | 34.3 55.0 36.5 36.5
bmask_rcnn/abl_full      | Dice-BCE     | 34.7 55.1 37.2 36.8

== Table 8 | COCO val2017 | {MASK_3} box/AP gflops ms | gflops
bmask_rcnn/abl_base | Mask R-CNN       | 33.2 54.4 34.9 36.6 0.46 59.0 | 0.462
bmask_rcnn/abl_lmh  | larger mask head | 33.7 54.6 35.8 36.7 0.93 61.3 | 0.925
bmask_rcnn/abl_full | BMask R-CNN      | 34.7 55.1 37.2 36.8 0.95 63.7 | 0.951
> Multiply-accumulates of the mask head alone, for one roi, without deconvolution and
> predictor.

== Table 9 | Cityscapes val | mask/AP mask/AP75
-                               | SGN         | 29.2    -
bmask_rcnn/cityscapes_mask_rcnn | Mask R-CNN  | 31.5    -
bmask_rcnn/cityscapes_mask_rcnn | Mask R-CNN* | 32.0 30.1
bmask_rcnn/cityscapes           | BMask R-CNN | 35.0 33.6
> Mask R-CNN without a star is cited from its own paper.

== Table 9 | Cityscapes test | mask/AP mask/AP50 {_PER_CLASS}
-                               | BAIS         | 17.4 36.7    -    -    -    -    -    -    -    -
-                               | DIN          | 20.0 38.8 16.5 16.7 25.7 20.6 30.0 23.4 17.1 10.1
-                               | SGN          | 25.0 44.9 21.8 20.1 39.4 24.8 33.2 30.8 17.7 12.4
bmask_rcnn/cityscapes_mask_rcnn | Mask R-CNN   | 26.2 49.9 30.5 23.7 46.9 22.8 32.2 18.6 19.1 16.0
-                               | BshapeNet    | 27.1 50.3 29.6 23.3 46.8 25.8 32.9 24.6 20.3 14.0
-                               | BshapeNet+   | 27.3 50.5 30.7 23.4 47.2 26.1 33.3 24.8 21.5 14.1
-                               | Neven et al. | 27.6 50.9 34.5 26.1 52.4 21.7 31.2 16.4 20.1 18.9
bmask_rcnn/cityscapes_mask_rcnn | Mask R-CNN*  | 27.2 53.0 31.4 23.7 49.1 22.9 33.7 21.9 19.4 15.4
bmask_rcnn/cityscapes           | BMask R-CNN  | 29.4 54.7 34.3 25.6 52.6 24.2 35.1 24.5 21.4 17.1

== Section 4.4 | COCO val2017 | mask/AP
bmask_rcnn/abl_sobel | Sobel mask head | 34.0

== README | COCO val2017 | {MASK_6}
mask_rcnn/detectron2_r50                    | Mask R-CNN R50-FPN           | 35.2    -    -    -    -    -
bmask_rcnn/detectron2_r50                   | BMask R-CNN R50-FPN          | 36.6 56.7 39.4 17.3 38.8 53.8
bmask_rcnn/detectron2_r101                  | BMask R-CNN R101-FPN         | 38.0 58.6 40.9    -    -    -
bmask_rcnn/detectron2_cascade_mask_rcnn_r50 | Cascade Mask R-CNN R50-FPN   | 36.4    -    -    -    -    -
bmask_rcnn/detectron2_cascade_r50           | Cascade BMask R-CNN R50-FPN  | 37.5 57.3 40.7    -    -    -
bmask_rcnn/detectron2_cascade_r101          | Cascade BMask R-CNN R101-FPN | 39.1 59.2 42.4    -    -    -

== README | Cityscapes val | mask/AP
-                                | PointRend R50-FPN   | 35.9
bmask_rcnn/detectron2_cityscapes | BMask R-CNN R50-FPN | 36.2
""",
)
