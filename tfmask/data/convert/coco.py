"""Any data set as a COCO instances file."""

import dataclasses
import json
import os

from tfmask.data.coco.file_names import escapes
from tfmask.data.dataset import Dataset
from tfmask.data.images.read import read_bytes
from tfmask.files import write_atomically


def write(dataset: Dataset, output: str, log=print) -> None:
    """Writes the records that can be used; image files stay where they are.

    Images that are no files of their own, as in TFRecords, are written into the folder
    OUTPUT_images, OUTPUT without its ending.

    Args:
      dataset: what is written, see `Dataset.to_coco`.
      output: the JSON file, replaced if there is one.
      log: called with a line that says how to train on it; None: nothing is said.
    """
    if any(record.span is not None for record in dataset.images):
        dataset = _with_files(dataset, f"{os.path.splitext(output)[0]}_images")
    write_atomically(output, json.dumps(dataset.to_coco()) + "\n")
    if log is not None:
        log(
            f"{len(dataset)} images, {dataset.num_annotations} annotations, "
            f"{dataset.class_map.num_classes} classes -> {output}; to train on it: "
            f"data.train={output} data.train_images={dataset.image_folder}"
        )


def _with_files(dataset: Dataset, folder: str) -> Dataset:
    """The data set with every image as a file below `folder`, byte by byte."""
    taken: set[str] = set()
    records = []
    for record in dataset.images:
        name = record.file_name
        if escapes(name) or name.casefold() in taken:
            name = f"{len(taken) + 1:06d}_{os.path.basename(name)}"
        taken.add(name.casefold())
        path = os.path.join(folder, name)
        write_atomically(path, read_bytes(record.path, record.span))
        records.append(
            dataclasses.replace(record, path=path, file_name=name, span=None)
        )
    return dataclasses.replace(dataset, images=records, image_folder=folder)
