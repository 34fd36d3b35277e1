"""How many distinct shapes of convolutions a training meets, without training.

    python benchmarks/shapes.py [--steps 1000] [--replicas 1] [RECIPE ...]

Image sizes as COCO's (or those of the demo's generated pictures) go through the order,
the scales and the padding of the input pipeline, numbers of foreground rois through the
padding of packed rois. Each size of a batch is one shape of every convolution of trunk,
neck and RPN; each number of rois one of every convolution of the mask head.
"""

import argparse
import dataclasses
import sys

import common
import numpy as np

common.quiet()

RECIPES = ("mask_rcnn/detectron2_r50", "demo/shapes")
# (width, height) and how often; the rest has any sides. After COCO's train2017.
COCO_SIZES = (
    ((640, 480), 0.36), ((640, 427), 0.12), ((640, 426), 0.08), ((480, 640), 0.13),
    ((427, 640), 0.04), ((640, 425), 0.03), ((500, 375), 0.05), ((375, 500), 0.02),
    ((640, 428), 0.02), ((640, 360), 0.02),
)  # fmt: skip
DEMO_SIZES = (((256, 192), 1.0),)


def image_sizes(known, count: int, rng) -> np.ndarray:
    """`[count, 2]` (width, height): the known ones, and some of any sides."""
    shares = np.array([share for _, share in known])
    sides = [*(size for size, _ in known), (0, 0)]
    chosen = rng.choice(len(sides), count, p=[*shares, max(1 - shares.sum(), 0.0)])
    sizes = np.array(sides)[chosen]
    free = sizes[:, 0] == 0
    ratio = np.exp(rng.normal(np.log(1.3), 0.3, count))
    short = np.where(ratio >= 1, 640 / ratio, 640 * ratio).astype(int)
    any_size = np.where(
        (ratio >= 1)[:, None],
        np.stack([0 * short + 640, short], 1),
        np.stack([short, 0 * short + 640], 1),
    )
    return np.where(free[:, None], any_size, sizes)


def foreground(config, images: int, rng) -> int:
    """Foreground rois of so many images: half of them have less than 40 of 512."""
    roi = config.model.roi
    counts = rng.lognormal(np.log(0.08 * roi.batch), 0.8, images)
    return int(np.minimum(counts, roi.batch * roi.fg_fraction).astype(int).sum())


def data_set(sizes):
    """Images of these sizes that nobody reads."""
    from tfmask.data.dataset import Dataset, ImageRecord
    from tfmask.structures import ClassMap

    record = ImageRecord(
        image_id=0,
        path="",
        file_name="",
        width=1,
        height=1,
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        crowd=np.zeros(0, bool),
        areas=np.zeros(0),
        annotation_ids=(),
        segmentations=(),
    )
    return Dataset(
        path="",
        source="",
        image_folder="",
        class_map=ClassMap((1,), ("any",)),
        images=[
            dataclasses.replace(record, width=int(width), height=int(height))
            for width, height in sizes
        ],
    )


def count(recipe: str, steps: int, replicas: int) -> list[dict]:
    """Distinct shapes with the padding of a CPU and with that of a GPU."""
    from tfmask.cli.settings import read_config
    from tfmask.data.canvas import canvases
    from tfmask.data.loader import ExampleLoader
    from tfmask.models import packing

    config = read_config(recipe, [])
    batch = config.train.batch_size
    if batch % replicas:
        sys.exit(f"{recipe}: {replicas} replicas cannot share a batch of {batch}")
    local = batch // replicas
    rng = np.random.default_rng(0)
    known = DEMO_SIZES if recipe.startswith("demo/") else COCO_SIZES
    dataset = data_set(image_sizes(known, steps * batch, rng))
    rois = [foreground(config, local, rng) for _ in range(steps)]
    rows = []
    for name, kind, gpu in (("before", "tight", False), ("now", "buckets", True)):
        packing._has_gpu = lambda gpu=gpu: gpu
        loader = ExampleLoader(
            dataset,
            config.data,
            True,
            config.train.seed,
            batch_size=batch,
            canvases=canvases(config.data, kind),
        )
        trunk, pixels = set(), 0
        for step in range(steps):
            first = step * batch
            shapes = [loader.view(first + k).shape for k in range(local)]
            trunk.add(loader.batch_shape(shapes))
            pixels += np.prod(loader.batch_shape(shapes)) * local
        padded = {n: int(packing.padded_count(n)) for n in set(rois)}
        heads = {padded[n] for n in rois}
        rows.append(
            {
                "recipe": recipe,
                "images at a time": local,
                "padding": f"{name}: {kind}",
                "trunk": len(trunk),
                "heads": len(heads),
                "pixels": pixels / 1e9,
                "rois": sum(padded[n] for n in rois) / sum(rois),
            }
        )
    for row in rows:
        row["pixels"] /= rows[0]["pixels"] if row is not rows[0] else 1.0
    rows[0]["pixels"] = 1.0
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for recipe in options.recipes:
        rows += count(recipe, options.steps, options.replicas)
    common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
