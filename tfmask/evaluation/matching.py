"""pycocotools' evaluator with three additions, equal to it where it is defined.

- Matching looks only at the pairs whose IoU reaches the lowest threshold: the same
  matches as pycocotools' loop over all pairs, in a fraction of the time when an image
  holds hundreds of objects.
- Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021).
- Ground truth to ignore beyond crowd regions, for AP on a part of the instances.
"""

import contextlib
import io
from collections.abc import Collection

import cv2
import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.cocoeval import COCOeval

from tfmask.data.coco import segmentation
from tfmask.evaluation.rle import rle_from_crop


def boundary_rle(rle: dict, dilation_ratio: float) -> dict:
    """The part of a mask that is near its contour, `G_d` intersected with `G`.

    Pixels of the mask within d of a pixel outside it (largest coordinate difference),
    d being `dilation_ratio` of the image's diagonal and at least one pixel. Outside
    the image counts as outside the mask, as in the authors' code.

    Args:
      rle: run-length code of the mask.
      dilation_ratio: 0.02 in the paper's figures.

    Returns:
      Run-length code of the same size.
    """
    height, width = (int(v) for v in rle["size"])
    distance = max(1, round(dilation_ratio * float(np.hypot(height, width))))
    x, y, w, h = (int(v) for v in mask_utils.toBbox(rle))
    if not w or not h:
        return rle
    parsed, _ = segmentation.parse(rle, height, width)
    crop = segmentation.decode_window(parsed, height, width, (x, y, x + w, y + h))
    # The mask ends inside its box, so a frame of zeros says all about what is outside.
    framed = cv2.copyMakeBorder(crop, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    inner = cv2.erode(framed, kernel)[1:-1, 1:-1]
    return rle_from_crop((crop != inner).T, x, y, (height, width))


class InstanceEval(COCOeval):
    """COCO evaluation of boxes, masks or mask boundaries, without output.

    Args:
      gt, dt: pycocotools.COCO of ground truth and of results.
      kind: "box", "mask" or "boundary".
      max_dets: ascending numbers of detections per image.
      dilation_ratio: for "boundary".
    """

    def __init__(self, gt, dt, kind: str, *, max_dets, dilation_ratio: float = 0.02):
        super().__init__(gt, dt, "bbox" if kind == "box" else "segm")
        self.kind = kind
        self.dilation_ratio = dilation_ratio
        # Annotation ids that count; None: all but crowd regions.
        self.counted: Collection[int] | None = None
        # Of an earlier evaluation of the same pair.
        self.known_ious: dict | None = None
        self.params.maxDets = sorted(int(v) for v in max_dets)

    def run(self, counted=None, mask_ious=None) -> "InstanceEval":
        """Evaluates and accumulates.

        Args:
          counted: annotation ids that count; the rest is ignored as ground truth out
            of the area range is: detections matched to it are neither right nor wrong.
          mask_ious: `ious` of an evaluation of the same masks, to save time.
        """
        self.counted, self.known_ious = counted, mask_ious
        with contextlib.redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()
        return self

    def _prepare(self):
        super()._prepare()
        if self.counted is not None:
            for annotations in self._gts.values():
                for gt in annotations:
                    gt["ignore"] = gt["ignore"] or gt["id"] not in self.counted

    def computeIoU(self, imgId, catId):
        if self.known_ious is None:
            ious = super().computeIoU(imgId, catId)
        else:
            ious = self.known_ious[imgId, catId]
        if self.kind != "boundary" or not len(ious):
            return ious
        gts, dts = self._gts[imgId, catId], self._dts[imgId, catId]
        order = np.argsort([-d["score"] for d in dts], kind="mergesort")
        top = [dts[i] for i in order[: self.params.maxDets[-1]]]
        crowd = np.array([bool(g["iscrowd"]) for g in gts])
        # min(mask IoU, boundary IoU), so that a detection cannot match by its boundary
        # alone; crowd regions have no boundary of instances and keep the mask's.
        boundary = mask_utils.iou(
            [self._boundary(d) for d in top],
            [self._boundary(g) for g in gts],
            [int(c) for c in crowd],
        )
        return np.where(crowd[None], ious, np.minimum(ious, boundary))

    def _boundary(self, annotation: dict) -> dict:
        return boundary_rle(annotation["segmentation"], self.dilation_ratio)

    def evaluateImg(self, imgId, catId, aRng, maxDet):
        gts, dts = self._gts[imgId, catId], self._dts[imgId, catId]
        if not gts and not dts:
            return None
        outside = [g["area"] < aRng[0] or g["area"] > aRng[1] for g in gts]
        ignored = np.array([bool(g["ignore"]) for g in gts], bool) | np.array(
            outside, bool
        )
        gt_order = np.argsort(ignored, kind="mergesort")  # what counts comes first
        gts, ignored = [gts[i] for i in gt_order], ignored[gt_order]
        dt_order = np.argsort([-d["score"] for d in dts], kind="mergesort")[:maxDet]
        dts = [dts[i] for i in dt_order]
        ious = self.ious[imgId, catId]
        ious = ious[:, gt_order] if len(ious) else np.zeros((len(dts), len(gts)))
        gt_index, dt_index = _match(
            ious[: len(dts)],
            self.params.iouThrs,
            ignored,
            np.array([bool(g["iscrowd"]) for g in gts], bool),
        )
        gt_ids = np.array([g["id"] for g in gts] + [0], float)
        dt_ids = np.array([d["id"] for d in dts] + [0], float)
        # Index -1, no match, picks the 0 at the end.
        dt_matches, gt_matches = gt_ids[gt_index], dt_ids[dt_index]
        dt_ignored = np.append(ignored, False)[gt_index]
        far = np.array([d["area"] < aRng[0] or d["area"] > aRng[1] for d in dts], bool)
        return {
            "image_id": imgId,
            "category_id": catId,
            "aRng": aRng,
            "maxDet": maxDet,
            "dtIds": [d["id"] for d in dts],
            "gtIds": [g["id"] for g in gts],
            "dtMatches": dt_matches,
            "gtMatches": gt_matches,
            "dtScores": [d["score"] for d in dts],
            "gtIgnore": ignored.astype(int),
            "dtIgnore": dt_ignored | ((dt_matches == 0) & far[None]),
        }


def _match(ious: np.ndarray, thresholds: np.ndarray, ignored, crowd):
    """Greedy matching at every threshold.

    In falling order of score each detection takes the free ground truth of the highest
    IoU, the later of equals; one that counts goes before any that is ignored; crowd
    regions are never used up.

    Args:
      ious: [D, G] detections by falling score, ground truth with the ignored last.
      thresholds: [T] IoU that a match must reach.
      ignored, crowd: [G] bool.

    Returns:
      gt_index [T, D] and dt_index [T, G] int, -1 where there is no match. dt_index of
      a crowd region is the last detection matched to it.
    """
    num_dt, num_gt = ious.shape
    gt_index = np.full((len(thresholds), num_dt), -1)
    dt_index = np.full((len(thresholds), num_gt), -1)
    limits = [min(t, 1 - 1e-10) for t in thresholds]
    near = [
        [(int(g), ious[d, g]) for g in np.flatnonzero(ious[d] >= min(limits))]
        for d in range(num_dt)
    ]
    for t, limit in enumerate(limits):
        taken = dt_index[t]
        for d, candidates in enumerate(near):
            best, match = limit, -1
            for g, iou in candidates:
                if taken[g] >= 0 and not crowd[g]:
                    continue
                if match >= 0 and not ignored[match] and ignored[g]:
                    break
                if iou >= best:
                    best, match = iou, g
            if match >= 0:
                gt_index[t, d], taken[match] = match, d
    return gt_index, dt_index


def crowded_ids(annotations: list[dict], min_iou: float) -> set:
    """Ids of the instances that huddle together.

    Args:
      annotations: of any number of images, with `bbox` [x, y, w, h] and `iscrowd`.
      min_iou: an instance is crowded when its box overlaps the box of another instance
        of the same image, of any class, with an IoU above this. Crowd regions are no
        instances: they neither are crowded nor make others so.
    """
    images: dict = {}
    for annotation in annotations:
        if not annotation["iscrowd"]:
            images.setdefault(annotation["image_id"], []).append(annotation)
    crowded: set[int] = set()
    for group in images.values():
        boxes = [a["bbox"] for a in group]
        ious = mask_utils.iou(boxes, boxes, [0] * len(boxes))
        np.fill_diagonal(ious, 0.0)
        hits = (ious > min_iou).any(axis=1)
        crowded.update(a["id"] for a, hit in zip(group, hits) if hit)
    return crowded
