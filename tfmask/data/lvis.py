"""LVIS (Gupta et al., CVPR 2019): COCO JSON that says what was looked for where.

Not every image is annotated with every class. `neg_category_ids` of an image are
classes of which it holds no instance, `not_exhaustive_category_ids` those of which it
holds more than are annotated; of any other class nothing is known beyond what is
annotated. `frequency` of a category is r, c or f: rare, common, frequent.
"""

from dataclasses import replace

from tfmask.config import DataConfig
from tfmask.data.coco import reader
from tfmask.data.dataset import Dataset
from tfmask.data.problems import WARNING, Problem
from tfmask.errors import DataError


def read(path: str, images: str, options: DataConfig, log=print) -> Dataset:
    """Reads an LVIS file.

    Args:
      path: the JSON file, or a folder with `annotations.json` and `images/`.
      images: the folder that holds `train2017/` and `val2017/`, as the addresses of the
        images in `coco_url` have it; or one with the images themselves.
      options: as for COCO.
      log: not used: all that is to be said stands in the problems.

    Raises:
      DataError: when nothing of the file can be used, or it has not LVIS's fields.
    """
    dataset = reader.read(path, images, options, log)
    if not dataset.is_federated:
        raise DataError(
            f"{dataset.source}: no image has neg_category_ids: expected a file of "
            "LVIS; a file of COCO is read with data.format=coco",
            "lvis_fields_missing",
        )
    problems = list(dataset.problems)
    if not dataset.class_frequencies:
        message = (
            "a category has no frequency: expected 'r', 'c' or 'f' for each; without "
            "it APr, APc and APf are not defined"
        )
        kind = "lvis_frequency_missing"
        problems.append(Problem(kind, None, None, message, WARNING))
    bare = [r.image_id for r in dataset.images if r.negative_labels is None]
    if bare:
        message = (
            f"{len(bare)} of {len(dataset)} images have no neg_category_ids, e.g. "
            f"image {bare[0]!r}: of classes without an annotation nothing is known "
            "there"
        )
        one = bare[0] if len(bare) == 1 else None
        problems.append(Problem("lvis_fields_missing", one, None, message, WARNING))
    records = [
        replace(record, negative_labels=record.negative_labels or frozenset())
        for record in dataset.images
    ]
    return replace(dataset, images=records, problems=problems, format="lvis")
