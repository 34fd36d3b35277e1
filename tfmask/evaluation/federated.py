"""LVIS's evaluation: COCO's, of detections of classes that were looked for.

A detection counts in an image only where its class is annotated or known to be absent
there; where not every instance of a class is annotated, detections that match none are
neither right nor wrong (Gupta et al., "LVIS", CVPR 2019, sec. 3.2).

Images and classes without anything are never looked at: of LVIS's 1203 classes an image
has a dozen.
"""

from collections import defaultdict

import numpy as np

from tfmask.evaluation.matching import InstanceEval


class FederatedEval(InstanceEval):
    """Evaluation of boxes, masks or mask boundaries by LVIS's rules, without output.

    Args:
      gt, dt: pycocotools.COCO of ground truth and of results.
      kind: "box", "mask" or "boundary".
      negative: image id -> ids of categories known to be absent.
      not_exhaustive: image id -> ids of categories of which more are there.
      max_dets: detections per image, of all classes together: those of highest score.
      dilation_ratio: for "boundary".
    """

    def __init__(
        self,
        gt,
        dt,
        kind: str,
        *,
        negative: dict,
        not_exhaustive: dict,
        max_dets: int,
        dilation_ratio: float = 0.02,
    ):
        super().__init__(
            gt, dt, kind, max_dets=[max_dets], dilation_ratio=dilation_ratio
        )
        self._dts: dict[tuple[int, int], list]  # (image, category) -> detections
        self._negative = negative
        self._not_exhaustive = not_exhaustive

    def _prepare(self):
        super()._prepare()
        kept: set[int] = set()
        of_image: dict[int, list] = defaultdict(list)
        for (image_id, _), detections in self._dts.items():
            of_image[image_id] += detections
        for detections in of_image.values():
            # In the order of the results, as ties at the limit are cut there.
            ordered = sorted(detections, key=lambda d: d["id"])
            ordered.sort(key=lambda d: -d["score"])
            kept.update(d["id"] for d in ordered[: self.params.maxDets[-1]])
        judged = {}
        for pair, detections in self._dts.items():
            image_id, category_id = pair
            known = self._gts.get(pair) or category_id in self._negative[image_id]
            detections = [d for d in detections if d["id"] in kept]
            if known and detections:
                judged[pair] = detections
        self._dts = defaultdict(list, judged)

    def evaluate(self):
        self._prepare()
        pairs = sorted({p for d in (self._gts, self._dts) for p in d if d[p]})
        self.ious = {pair: self.computeIoU(*pair) for pair in pairs}

    def evaluateImg(self, imgId, catId, aRng, maxDet):
        judged = super().evaluateImg(imgId, catId, aRng, maxDet)
        if judged is not None and catId in self._not_exhaustive[imgId]:
            judged["dtIgnore"] |= judged["dtMatches"] == 0
        return judged

    def accumulate(self, p=None):
        """Fills `eval` class by class: matches of all at once would fill the memory."""
        params = self.params
        images = defaultdict(list)
        for image_id, category_id in self.ious:
            images[category_id].append(image_id)
        sizes = len(params.iouThrs), len(params.recThrs)
        shape = len(params.catIds), len(params.areaRng), 1
        precision = -np.ones((*sizes, *shape))
        recall = -np.ones((sizes[0], *shape))
        for category, category_id in enumerate(params.catIds):
            for area, limits in enumerate(params.areaRng):
                judged = [
                    self.evaluateImg(image_id, category_id, limits, params.maxDets[-1])
                    for image_id in images[category_id]
                ]
                figures = _precision_recall(judged, params.recThrs)
                if figures is not None:
                    precision[:, :, category, area, 0] = figures[0]
                    recall[:, category, area, 0] = figures[1]
        self.eval = {"precision": precision, "recall": recall}


def _precision_recall(images, recall_steps: np.ndarray):
    """Precision at steps of recall, and the recall reached, of one class.

    Args:
      images: what `evaluateImg` gives of each.
      recall_steps: [R] ascending.

    Returns:
      precision [T, R] and recall [T] for each IoU threshold; None where no ground truth
      counts.
    """
    if not images:
        return None
    count = sum(int((e["gtIgnore"] == 0).sum()) for e in images)
    if not count:
        return None
    scores = np.concatenate([e["dtScores"] for e in images])
    order = np.argsort(-scores, kind="mergesort")
    matches = np.concatenate([e["dtMatches"] for e in images], 1)[:, order] != 0
    ignored = np.concatenate([e["dtIgnore"] for e in images], 1)[:, order]
    right = np.cumsum(matches & ~ignored, 1).astype(float)
    wrong = np.cumsum(~matches & ~ignored, 1).astype(float)
    reached = right / count
    precision = np.zeros((len(matches), len(recall_steps)))
    if not len(order):
        return precision, np.zeros(len(matches))
    exact = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(exact[:, ::-1], 1)[:, ::-1]  # at this recall or above
    for row, values, recalls in zip(precision, best, reached):
        at = np.searchsorted(recalls, recall_steps, "left")
        row[at < len(values)] = values[at[at < len(values)]]
    return precision, reached[:, -1]
