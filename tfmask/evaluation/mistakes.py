"""What is wrong with results: false positives by kind, confusions, hard images.

The kinds are those of TIDE (Bolya et al., "TIDE: A General Toolbox for Identifying
Object Detection Errors", ECCV 2020, sec. 2.2): a detection that matches nothing is one
of

    classification  on an object of another class, IoU at least 0.5
    localisation    on an object of its class, IoU from 0.1 to 0.5
    both            on an object of another class, IoU from 0.1 to 0.5
    duplicate       on an object that a better detection has
    background      on nothing, IoU at most 0.1

and `missed` is an object that no detection has, rightly or with a wrong class or place.
The weight of a kind is what AP50 would gain if all of it were mended (sec. 2.3).
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

from tfmask.evaluation.matching import InstanceEval

FALSE_KINDS = ("classification", "localisation", "both", "duplicate", "background")
KINDS = (*FALSE_KINDS, "missed")
_FOUND = 0.5  # IoU
_TOUCHED = 0.1


class ImageMistakes(NamedTuple):
    """What the detections of an image above the score threshold are.

    Ids are those of the ground truth and of the results of the evaluation.
    """

    image: int  # image id in the evaluation: the rank of the image, from 1
    right: dict[int, int]  # detection -> the object it has
    wrong: dict[int, str]  # detection -> kind
    ignored: list[int]  # detections on what does not count
    missed: list[int]  # objects that no right detection has
    # Sum of the IoU of what is right / (right + half of the wrong and of the missed):
    # panoptic quality (Kirillov et al., CVPR 2019, Eq. 1) over all classes at once;
    # None: nothing is there and nothing was found.
    quality: float | None


class Mistakes(NamedTuple):
    """The mistakes of an evaluation; K classes."""

    threshold: float  # score from which a detection is counted
    counts: dict[str, int]  # kind -> number above the threshold
    gains: dict[str, float]  # kind -> what mending all of it adds to AP50, 0..1
    # [K + 1, K + 1] int: objects by true class (row) and found class (column); the last
    # column: not found; the last row: found where there is nothing.
    confusion: np.ndarray
    images: list[ImageMistakes]


class _Detection(NamedTuple):
    score: float
    label: int  # 1..K
    right: bool  # of a false one: false
    ignored: bool
    kind: str  # of a false one
    target: int  # object that it is or would be right for; 0: none
    target_label: int


class _Image(NamedTuple):
    detections: dict[int, _Detection]
    objects: dict[int, int]  # object that counts -> label
    best: dict[int, tuple[float, int]]  # right detection -> IoU, object


def analyse(run: InstanceEval, threshold: float = 0.5) -> Mistakes:
    """The mistakes of an evaluation of boxes or masks.

    Args:
      run: evaluated, with an IoU threshold of 0.5 and all sizes as its first ones.
      threshold: score from which detections are counted. The gains are of all.
    """
    images = {i: _read(run, n) for n, i in enumerate(run.params.imgIds)}
    reports = [_report(key, image, threshold) for key, image in images.items()]
    counts: Counter = Counter()
    for report in reports:
        counts.update(report.wrong.values())
    for key, report in zip(images, reports):
        excused = _excused(images[key], threshold)
        counts["missed"] += sum(k not in excused for k in report.missed)
    return Mistakes(
        threshold,
        {kind: counts[kind] for kind in KINDS},
        _gains(list(images.values()), len(run.params.catIds)),
        _confusion(run, threshold),
        reports,
    )


def overlaps(run: InstanceEval, detections: list, objects: list) -> np.ndarray:
    """[D, G] IoU of any detections and objects of an image, classes aside."""
    if not detections or not objects:
        return np.zeros((len(detections), len(objects)))
    name = "bbox" if run.kind == "box" else "segmentation"
    return mask_utils.iou(
        [d[name] for d in detections],
        [g[name] for g in objects],
        [int(g["iscrowd"]) for g in objects],
    )


def _of_image(run: InstanceEval, image: int) -> tuple[list, list]:
    """(detections that count by rank, objects) of an image, of all classes."""
    detections, objects = [], []
    for category in run.params.catIds:
        found = sorted(run._dts[image, category], key=lambda d: -d["score"])
        detections += found[: run.params.maxDets[-1]]
        objects += run._gts[image, category]
    return detections, objects


def _read(run: InstanceEval, number: int) -> _Image:
    """The detections of an image, matched at 0.5 and sorted by kind."""
    image = run.params.imgIds[number]
    detections, objects = _of_image(run, image)
    ious = overlaps(run, detections, objects)
    places = {g["id"]: i for i, g in enumerate(objects)}
    labels = np.array([g["category_id"] for g in objects], int)
    counting = np.array([not g["ignore"] for g in objects], bool)
    matched: dict[int, int] = {}
    ignored: set[int] = set()
    per_class = len(run.params.areaRng) * len(run.params.imgIds)
    for k in range(len(run.params.catIds)):
        entry = run.evalImgs[k * per_class + number]
        if entry is None:
            continue
        for d, g, skip in zip(
            entry["dtIds"], entry["dtMatches"][0], entry["dtIgnore"][0]
        ):
            if skip:
                ignored.add(d)
            elif g:
                matched[d] = int(g)
    used = np.isin([g["id"] for g in objects], list(matched.values()))
    read, best = {}, {}
    for row, d in enumerate(detections):
        key, label, score = d["id"], d["category_id"], d["score"]
        target, kind = 0, ""
        if key in matched:
            target = matched[key]
            best[key] = (float(ious[row, places[target]]), target)
        elif key not in ignored:
            kind, place = _kind(ious[row], labels == label, counting, used)
            target = 0 if place is None else objects[place]["id"]
        target_label = int(labels[places[target]]) if target else 0
        read[key] = _Detection(
            score, label, key in matched, key in ignored, kind, target, target_label
        )
    own = {g["id"]: g["category_id"] for g, c in zip(objects, counting) if c}
    return _Image(read, own, best)


def _kind(ious, same, counting, used) -> tuple[str, int | None]:
    """The kind of a false detection, and the place of the object it was meant for.

    Args:
      ious: [G] with each object.
      same: [G] bool: the object is of the detection's class.
      counting: [G] bool: it is not to be ignored.
      used: [G] bool: a detection has it.
    """

    def nearest(which):
        values = np.where(which & counting, ious, -1.0)
        place = int(values.argmax()) if len(values) else 0
        return (float(values[place]), place) if len(values) else (-1.0, 0)

    own, place = nearest(same)
    if _TOUCHED <= own < _FOUND:
        return "localisation", place
    other, place = nearest(~same)
    if other >= _FOUND:
        return "classification", place
    if nearest(same & used)[0] >= _FOUND:
        return "duplicate", None
    if max(own, other) <= _TOUCHED:
        return "background", None
    return "both", None


def _report(key: int, image: _Image, threshold: float) -> ImageMistakes:
    shown = {k: d for k, d in image.detections.items() if d.score >= threshold}
    right = {k: d.target for k, d in shown.items() if d.right}
    wrong = {k: d.kind for k, d in shown.items() if d.kind}
    missed = sorted(set(image.objects) - set(right.values()))
    total = len(right) + 0.5 * (len(wrong) + len(missed))
    overlap = sum(image.best[k][0] for k in right)
    return ImageMistakes(
        key,
        right,
        wrong,
        [k for k, d in shown.items() if d.ignored],
        missed,
        overlap / total if total else None,
    )


def _excused(image: _Image, threshold: float) -> set[int]:
    """Objects that a detection has with a wrong class or place: counted there."""
    return {
        d.target
        for d in image.detections.values()
        if d.kind and d.target and d.score >= threshold
    }


def _gains(images: list[_Image], classes: int) -> dict[str, float]:
    """What mending each kind adds to AP50."""
    plain = _ap50(images, classes, "")
    return {kind: _ap50(images, classes, kind) - plain for kind in KINDS}


def _ap50(images: list[_Image], classes: int, mended: str) -> float:
    """AP50 with all mistakes of one kind mended.

    What was meant for an object becomes right for it if nothing has it and it is the
    best of all that were, of any kind; other false detections are dropped, and objects
    that were missed. So the authors' program counts.
    """
    scores: list[list] = [[] for _ in range(classes + 1)]
    right: list[list] = [[] for _ in range(classes + 1)]
    objects = np.zeros(classes + 1, int)
    for image in images:
        taken = {d.target for d in image.detections.values() if d.right}
        excused = {d.target for d in image.detections.values() if d.kind and d.target}
        for key, label in image.objects.items():
            if mended != "missed" or key in taken or key in excused:
                objects[label] += 1
        best: set[int] = set()  # objects whose best false detection has come by
        for d in sorted(image.detections.values(), key=lambda d: -d.score):
            if d.ignored:
                continue
            label, counts_as_right = d.label, d.right
            is_best = bool(d.kind and d.target) and d.target not in best
            best.add(d.target)
            if d.kind and d.kind == mended:
                if not is_best or d.target in taken:
                    continue
                label, counts_as_right = d.target_label, True
            scores[label].append(d.score)
            right[label].append(counts_as_right)
    values = [
        _interpolated(np.array(scores[k]), np.array(right[k], bool), objects[k])
        for k in range(1, classes + 1)
        if objects[k]
    ]
    return float(np.mean(values)) if values else 0.0


def _interpolated(scores, right, objects: int) -> float:
    """COCO's AP of a class: precision at 101 recalls."""
    right = right[np.argsort(-scores, kind="mergesort")]
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(found / objects, np.linspace(0, 1, 101))
    return float(np.append(precision, 0.0)[place].mean())


def _confusion(run: InstanceEval, threshold: float) -> np.ndarray:
    """Objects by true and found class, matched by place alone."""
    classes = len(run.params.catIds)
    table = np.zeros((classes + 1, classes + 1), int)
    for image in run.params.imgIds:
        detections, objects = _of_image(run, image)
        detections = [d for d in detections if d["score"] >= threshold]
        detections.sort(key=lambda d: -d["score"])
        ious = overlaps(run, detections, objects)
        counting = np.array([not g["ignore"] for g in objects], bool)
        free = counting.copy()
        for row, d in enumerate(detections):
            column = d["category_id"] - 1
            near = np.where(free, ious[row], -1.0) if len(free) else np.zeros(1)
            place = int(near.argmax())
            if near[place] >= _FOUND:
                free[place] = False
                table[objects[place]["category_id"] - 1, column] += 1
            elif not (ious[row][~counting] >= _FOUND).any():
                table[-1, column] += 1
        for place in np.flatnonzero(free).tolist():
            table[objects[place]["category_id"] - 1, -1] += 1
    return table
