"""A large image by tiles against the same image at once: AP, time, peak memory.

    python benchmarks/tiling.py RUN --data FOLDER    a run's weights on a mosaic of the
                                                     data's images
    python benchmarks/tiling.py --shapes             no model: ground truth of 6000 x
                                                     4000 pixels, cut by the tiles

Images of one size are laid out side by side. Objects are to the model as large as in an
image of the data, whatever the tile, and untiled.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.dataset import Dataset
from tfmask.data.images.read import read_image
from tfmask.data.readers import load_dataset
from tfmask.evaluation.coco_metrics import evaluate
from tfmask.evaluation.rle import rle_from_crop
from tfmask.evaluation.seams import tile_windows
from tfmask.evaluation.tiles import TiledPredictor

_MOST = 100_000  # detections of an image that count


def mosaic(dataset: Dataset, side: int, columns: int, rows: int):
    """An image of `columns` x `rows` images of the data, and its ground truth.

    Images of another size than `side` x `side` are not taken; there are as many as are
    needed, again from the first one where the data has fewer.
    """
    records = [r for r in dataset.images if (r.height, r.width) == (side, side)]
    if not records:
        sys.exit(f"{dataset.source}: no image of {side} x {side} pixels")
    height, width = rows * side, columns * side
    image = np.zeros((height, width, 3), np.uint8)
    annotations = []
    for number in range(columns * rows):
        record = records[number % len(records)]
        top, left = number // columns * side, number % columns * side
        part = read_image(record.path, dataset.exif)
        image[top : top + side, left : left + side] = part
        for i in range(len(record.labels)):
            code = rle_from_crop(record.mask(i).T > 0, left, top, (height, width))
            category = dataset.class_map.ids[int(record.labels[i]) - 1]
            annotations.append(annotation(len(annotations) + 1, category, code))
    return image, truth(annotations, dataset.class_map, height, width)


def annotation(key: int, category, code: dict) -> dict:
    return {
        "id": key,
        "image_id": 1,
        "category_id": category,
        "bbox": mask_utils.toBbox(code).tolist(),
        "area": int(mask_utils.area(code)),
        "iscrowd": 0,
        "segmentation": code,
    }


def truth(annotations: list, class_map, height: int, width: int) -> dict:
    return {
        "images": [{"id": 1, "height": height, "width": width, "file_name": "1.png"}],
        "categories": [{"id": i, "name": n} for i, n in zip(*class_map)],
        "annotations": annotations,
    }


def judge(name: str, predictor, image, content: dict, class_map) -> dict:
    """Predicts, prints a line and gives the figures."""
    start = time.perf_counter()
    (found,) = predictor.predict([image])
    seconds = time.perf_counter() - start
    results = found.to_results(1, class_map)
    size = len(json.dumps(results)) / 2**20
    figures = evaluate(content, results, max_dets=(1, 100, _MOST), boundary=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name:<10} {len(results):>6} of {len(content['annotations'])} instances, "
        f"mask AP {figures['mask/AP']:.4f}, AP50 {figures['mask/AP50']:.4f}, "
        f"box AP {figures['box/AP']:.4f}, {seconds:.1f} s, results {size:.1f} MiB, "
        f"peak memory {peak:.2f} GiB",
        flush=True,
    )
    return figures


def run_model(options) -> None:
    from tfmask.evaluation.predictor import Predictor

    model, config, dataset = trained(options, 1)
    scale = config.data.eval_short_side / options.side
    config.data.eval_short_side = round(options.tile * scale)
    config.data.eval_max_side = config.data.eval_short_side
    image, content = mosaic(dataset, options.side, options.columns, options.rows)
    print(f"mosaic of {image.shape[1]} x {image.shape[0]} pixels")
    tiled = TiledPredictor(
        Predictor(model, config.data, dataset.class_map), options.tile, options.overlap
    )
    first = judge("tiled", tiled, image, content, dataset.class_map)
    if options.untiled:
        # As many proposals as the tiles have together.
        windows = tile_windows(*image.shape[:2], options.tile, options.overlap)
        model, config, _ = trained(options, len(windows))
        short, longer = sorted(image.shape[:2])
        config.data.eval_short_side = round(short * scale)
        config.data.eval_max_side = round(longer * scale)
        plain = Predictor(model, config.data, dataset.class_map)
        second = judge("at once", plain, image, content, dataset.class_map)
        print(f"difference of mask AP {first['mask/AP'] - second['mask/AP']:+.4f}")


def trained(options, times: int):
    """The run's model, its configuration and the data.

    Args:
      options: of the command line.
      times: proposals and detections are so many times the configuration's.
    """
    from tfmask.cli.model import load_model
    from tfmask.cli.settings import read_config

    path = str(Path(options.run) / "config.json")
    before = read_config(path, []).model
    config = read_config(
        path,
        [
            f"model.rpn.pre_nms_test={before.rpn.pre_nms_test * times}",
            f"model.rpn.post_nms_test={before.rpn.post_nms_test * times}",
            "model.postprocess.max_detections="
            f"{before.postprocess.max_detections * times}",
        ],
    )
    dataset = load_dataset(options.data, options=config.data)
    return load_model(config, options.run, dataset.class_map), config, dataset


def run_shapes(options) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from evaluation.label_maps import CLASSES, Seer, paint

    ids, labels = many_shapes(options.seed)
    content = truth(
        [
            annotation(k, CLASSES.ids[label - 1], code)
            for k, (label, code) in enumerate(
                zip(labels, codes_of(ids, len(labels))), 1
            )
        ],
        CLASSES,
        *ids.shape,
    )
    seer = TiledPredictor(Seer(labels), options.tile, options.overlap)
    print(f"shapes on {ids.shape[1]} x {ids.shape[0]} pixels")
    judge("tiled", seer, paint(ids), content, CLASSES)


def many_shapes(seed: int, height: int = 4000, width: int = 6000, number: int = 4000):
    """A label map [H, W] int32 of ellipses shorter than 100 pixels, and labels."""
    rng = np.random.default_rng(seed)
    ids, labels = np.zeros((height, width), np.int32), []
    for _ in range(number):
        x, y = rng.integers(0, width), rng.integers(0, height)
        axes = tuple(int(v) for v in rng.integers(6, 50, 2))
        left, top = max(x - 50, 0), max(y - 50, 0)
        window = ids[top : y + 50, left : x + 50]
        mask = np.zeros(window.shape, np.uint8)
        centre, angle = (int(x - left), int(y - top)), float(rng.uniform(0, 180))
        cv2.ellipse(mask, centre, axes, angle, 0, 360, 1, -1)
        if mask.sum() < 30 or window[mask > 0].any():
            continue
        labels.append(1 + len(labels) % 2)
        window[mask > 0] = len(labels)
    return ids, labels


def codes_of(ids: np.ndarray, number: int) -> list[dict]:
    """Run-length codes of the instances 1..number of a label map."""
    places = np.flatnonzero(ids)
    rows, columns = np.divmod(places, ids.shape[1])
    order = np.argsort(ids.ravel()[places], kind="stable")
    ends = np.cumsum(np.bincount(ids.ravel()[places], minlength=number + 1)[1:])
    codes = []
    for part in np.split(order, ends[:-1]):
        top, left = rows[part].min(), columns[part].min()
        crop = np.zeros((np.ptp(columns[part]) + 1, np.ptp(rows[part]) + 1), bool)
        crop[columns[part] - left, rows[part] - top] = True
        codes.append(rle_from_crop(crop, int(left), int(top), ids.shape))
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?", help="a run folder")
    parser.add_argument("--data", help="a data set with the run's classes")
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--side", type=int, default=256, help="of the data's images")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--tile", type=int)
    parser.add_argument("--overlap", type=int)
    parser.add_argument("--untiled", action="store_true", help="also at once")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.shapes:
        options.tile, options.overlap = options.tile or 1024, options.overlap or 128
        run_shapes(options)
    elif options.run and options.data:
        options.tile, options.overlap = (
            options.tile or options.side,
            options.overlap or 64,
        )
        run_model(options)
    else:
        parser.error("expected RUN and --data, or --shapes")


if __name__ == "__main__":
    main()
