"""From one format of data sets to another: what `tfmask convert-dataset` does.

A source is anything with a reader: the formats that training reads itself (`FORMATS` in
data/readers.py, which says what a reader is), and those of `SOURCES`, which are only
converted. A target is a module of `TARGETS` with `write(dataset, output, log)`.
"""

import importlib
import os

from tfmask.config import DataConfig
from tfmask.data.problems import ERROR, Problem
from tfmask.data.readers import FORMATS, find_reader
from tfmask.errors import ConfigError, DataError

# Formats that are read for conversion alone -> the module that holds `read`.
SOURCES: dict[str, str] = {
    "cvat": "tfmask.data.convert.cvat",
    "label_studio": "tfmask.data.convert.label_studio",
    "labelme": "tfmask.data.convert.labelme",
    "via": "tfmask.data.convert.via",
    "voc": "tfmask.data.convert.voc",
    "yolo": "tfmask.data.convert.yolo",
}
# What can be written -> the module that holds `write`.
TARGETS = {
    "coco": "tfmask.data.convert.coco",
    "tfrecord": "tfmask.data.convert.tfrecord",
}


def source_formats() -> list[str]:
    """The words for what can be converted."""
    return sorted({*FORMATS, *SOURCES})


def convert_dataset(
    data_format: str,
    source: str,
    output: str,
    *,
    images: str = "",
    target: str = "coco",
    strict: bool = False,
    log=print,
) -> list[Problem]:
    """Reads a data set of one format and writes it in another.

    Args:
      data_format: what `source` is, one of `source_formats()`.
      source: the file or folder.
      output: what is written; it comes to be only when all of it is there.
      images: the image folder, where it is not the one that the format implies.
      target: a word of `TARGETS`.
      strict: write nothing if anything has to be left out.
      log: called with each line of text; None: nothing is said.

    Returns:
      What was left out or mended.

    Raises:
      ConfigError: an unknown word, or an output that is the source.
      DataError: nothing can be used, or `strict` and a record is faulty.
    """
    if target not in TARGETS:
        raise ConfigError(f"--to {target}: expected one of {', '.join(TARGETS)}")
    if data_format not in source_formats():
        words = ", ".join(source_formats())
        raise ConfigError(f"{data_format}: no such format of data sets; known: {words}")
    options = DataConfig()
    if data_format in SOURCES:
        read = importlib.import_module(SOURCES[data_format]).read
    else:
        read = find_reader(data_format, source)
    dataset = read(source, images, options, log)
    if os.path.exists(output) and any(
        os.path.exists(path) and os.path.samefile(output, path)
        for path in (source, dataset.source)
    ):
        raise ConfigError(f"{output}: is what is converted; expected another output")
    errors = [p for p in dataset.problems if p.severity == ERROR]
    if log is not None:
        for problem in dataset.problems:
            log(str(problem))
    if not dataset.images:
        raise DataError(f"{dataset.source}: no image is usable", "no_images")
    if strict and errors:
        raise DataError(
            f"{dataset.source}: {len(errors)} errors, so that nothing is written; "
            "without --strict the faulty records are left out",
            errors[0].kind,
        )
    importlib.import_module(TARGETS[target]).write(dataset, output, log)
    return dataset.problems
