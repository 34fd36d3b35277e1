"""Seeded ground truth and results, and pycocotools' own figures for them."""

import contextlib
import copy
import io

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

STATS = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()  # its order


def ellipse(rng, height: int, width: int):
    """A random ellipse: its outline as a polygon and its mask."""
    cx, cy = rng.uniform(0, width), rng.uniform(0, height)
    rx, ry = rng.uniform(3, width / 3), rng.uniform(3, height / 3)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    x = np.clip(cx + rx * np.cos(turn), 0, width)
    y = np.clip(cy + ry * np.sin(turn), 0, height)
    return np.stack([x, y], 1).round(2).ravel().tolist()


def encode(mask: np.ndarray) -> dict:
    code = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def make_set(
    seed: int,
    *,
    images=6,
    objects=6,
    detections=10,
    crowd=0.15,
    ties=False,
    string_ids=False,
    first_annotation=1,
):
    """A COCO instances dict and results that overlap it more or less."""
    rng = np.random.default_rng(seed)
    truth = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": i, "name": f"c{i}"} for i in (0, 7, 90)]
    results, annotation_id = [], first_annotation
    for index in range(images):
        height, width = (int(v) for v in rng.integers(90, 260, 2))
        image_id = f"im_{index * 7 % 5}_{index}" if string_ids else 3 + index * 17
        truth["images"].append(
            {"id": image_id, "height": height, "width": width, "file_name": f"{index}"}
        )
        outlines = []
        for _ in range(
            0 if index == 0 < images - 1 else int(rng.integers(0, objects + 1))
        ):
            polygon = ellipse(rng, height, width)
            code = mask_utils.merge(mask_utils.frPyObjects([polygon], height, width))
            if not mask_utils.area(code):
                continue
            outlines.append(polygon)
            is_crowd = bool(rng.random() < crowd)
            outline = [polygon]
            if is_crowd or rng.random() < 0.3:
                flat = mask_utils.decode(code).ravel(order="F")
                change = np.flatnonzero(np.diff(flat)) + 1
                edges = np.concatenate([[0], change, [flat.size]])
                counts = np.diff(edges).tolist()
                counts = [0, *counts] if flat[0] else counts
                outline = {"size": [height, width], "counts": counts}
            truth["annotations"].append(
                {
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": int(rng.choice([0, 7, 90])),
                    "segmentation": outline,
                    "bbox": mask_utils.toBbox(code).tolist(),
                    "area": float(mask_utils.area(code)),
                    "iscrowd": int(is_crowd),
                }
            )
            annotation_id += int(rng.integers(1, 5))
        for _ in range(int(rng.integers(0, detections + 1))):
            if outlines and rng.random() < 0.7:
                shift = np.tile(rng.normal(0, 4, 2), 16)
                base = np.array(outlines[rng.integers(len(outlines))])
                polygon = np.clip(base + shift, 0, max(height, width)).tolist()
            else:
                polygon = ellipse(rng, height, width)
            code = mask_utils.merge(mask_utils.frPyObjects([polygon], height, width))
            score = float(rng.random())
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(rng.choice([0, 7, 90])),
                    "bbox": mask_utils.toBbox(code).tolist(),
                    "score": round(score, 1) if ties else score,
                    "segmentation": {
                        "size": [height, width],
                        "counts": code["counts"].decode(),
                    },
                }
            )
    return truth, results


def reference_eval(truth: dict, results: list, kind: str, max_dets=(1, 10, 100)):
    """pycocotools' evaluation of exactly these dicts."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        if results:
            dt = gt.loadRes(copy.deepcopy(results))
        else:  # loadRes cannot read an empty list
            dt = COCO()
            dt.dataset = {**gt.dataset, "annotations": []}
            dt.createIndex()
        run = COCOeval(gt, dt, "bbox" if kind == "box" else "segm")
        run.params.maxDets = list(max_dets)
        run.evaluate()
        run.accumulate()
        if tuple(max_dets) == (1, 10, 100):
            run.summarize()
    return run


SETS = {
    **{f"plain_{seed}": {"seed": seed} for seed in range(4)},
    **{f"ties_{seed}": {"seed": seed, "ties": True} for seed in range(10, 13)},
    **{f"strings_{seed}": {"seed": seed, "string_ids": True} for seed in (20, 21)},
    **{f"crowds_{seed}": {"seed": seed, "crowd": 0.6} for seed in (30, 31)},
    "all_crowd": {"seed": 40, "crowd": 1.0},
    "over_100_detections": {"seed": 50, "images": 2, "detections": 700},
    "over_100_with_ties": {"seed": 51, "images": 2, "detections": 700, "ties": True},
    "many_objects": {"seed": 60, "images": 2, "objects": 60, "detections": 90},
    "no_detections": {"seed": 70, "detections": 0},
    "no_ground_truth": {"seed": 71, "objects": 0},
    "nothing_at_all": {"seed": 72, "objects": 0, "detections": 0},
    "one_image": {"seed": 73, "images": 1},
    "annotation_id_0": {"seed": 74, "first_annotation": 0},
    "many_with_string_ties": {
        "seed": 75,
        "objects": 30,
        "detections": 60,
        "string_ids": True,
        "ties": True,
    },
}
