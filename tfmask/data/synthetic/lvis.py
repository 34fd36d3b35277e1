"""A small file with the fields and the ways of LVIS.

The images are those of `generate`; what is annotated is federated: of each image some
classes are annotated, some are known to be absent, some are annotated in part, and of
the others nothing is known.
"""

import json
from pathlib import Path

import numpy as np

from tfmask.data.synthetic.generate import write_dataset
from tfmask.files import write_atomically

_BASE = "http://images.cocodataset.org/"  # files are named by their address alone
_UNKNOWN, _PARTIAL = 0.15, 0.2  # shares of the pairs of image and class


def write_lvis(
    folder: str | Path,
    num_images: int,
    seed: int = 0,
    size: int = 160,
    num_classes: int = 12,
) -> Path:
    """Writes `annotations.json` and `images/`; the same arguments give the same set.

    Args:
      folder: made if it is not there.
      num_images: how many.
      seed: sets of different seeds share no image.
      size: about the side of an image, pixels.
      num_classes: at least four, with ids from 1; all but four are in no image.

    Returns:
      The path of the annotation file.
    """
    path = write_dataset(folder, num_images, seed, size)
    content = json.loads(path.read_text(encoding="utf-8"))
    rng = np.random.default_rng((seed, num_images))
    shapes = [c["id"] for c in content["categories"]]
    step = num_classes // len(shapes)
    ids = {key: 1 + i * step for i, key in enumerate(shapes)}
    names = {ids[c["id"]]: c["name"] for c in content["categories"]}
    content["categories"] = [
        {
            "id": key,
            "name": names.get(key, f"thing {key}"),
            "frequency": "rcf"[key // step % 3],
        }
        for key in range(1, num_classes + 1)
    ]
    kept = []
    for image in content["images"]:
        mine = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        mine = [a for a in mine if not a.pop("iscrowd")]  # LVIS has none
        for annotation in mine:
            annotation["category_id"] = ids[annotation["category_id"]]
        absent = set(range(1, num_classes + 1)) - {a["category_id"] for a in mine}
        draws = rng.random(num_classes + 1)
        mine = [a for a in mine if draws[a["category_id"]] >= _UNKNOWN]
        present = {a["category_id"] for a in mine}
        image["coco_url"] = _BASE + image.pop("file_name")
        image["neg_category_ids"] = sorted(k for k in absent if draws[k] < 0.5)
        image["not_exhaustive_category_ids"] = sorted(
            k for k in present if draws[k] >= 1 - _PARTIAL
        )
        kept += mine
    content["annotations"] = kept
    write_atomically(path, json.dumps(content))
    return path
