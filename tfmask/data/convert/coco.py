"""Any data set as a COCO instances file."""

import json

from tfmask.data.dataset import Dataset
from tfmask.files import write_atomically


def write(dataset: Dataset, output: str, log=print) -> None:
    """Writes the records that can be used; the images stay where they are.

    Args:
      dataset: what is written, see `Dataset.to_coco`.
      output: the JSON file, replaced if there is one.
      log: called with a line that says how to train on it; None: nothing is said.
    """
    write_atomically(output, json.dumps(dataset.to_coco()) + "\n")
    if log is not None:
        log(
            f"{len(dataset)} images, {dataset.num_annotations} annotations, "
            f"{dataset.class_map.num_classes} classes -> {output}; to train on it: "
            f"data.train={output} data.train_images={dataset.image_folder}"
        )
