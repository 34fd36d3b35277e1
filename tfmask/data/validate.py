"""Every problem of a data set, by image and annotation, for `tfmask validate`."""

from typing import NamedTuple

from tfmask.config import DataConfig
from tfmask.data.dataset import Dataset
from tfmask.data.problems import ERROR, Problem
from tfmask.data.readers import find_reader, why_no_objects
from tfmask.errors import DataError


class Validation(NamedTuple):
    """What is wrong with a data set, and whether anything can be done with it."""

    problems: list[Problem]
    unusable: str  # why it cannot be trained on at all; empty when it can


def validate_dataset(
    path: str, images: str = "", options: DataConfig | None = None
) -> Validation:
    """Lists every problem of a data set; see `check_dataset`."""
    return check_dataset(path, images, options)[0]


def check_dataset(
    path: str, images: str = "", options: DataConfig | None = None
) -> tuple[Validation, Dataset | None]:
    """Every problem of a data set, and what of it can be used.

    Image headers are read (format, size, orientation), pixels are not.

    Args:
      path: what `data.train` would name.
      images: the image folder, where it is not the one that the format implies.
      options: format and orientation. Default: the defaults of `DataConfig`.

    Returns:
      The problems, and the data set; None where it has no usable image.
    """
    options = options or DataConfig()
    try:
        dataset = find_reader(options.format, path)(path, images, options, None)
    except DataError as error:
        problem = Problem(error.kind, None, None, str(error), ERROR)
        return Validation([problem], "nothing of it can be used"), None
    if not dataset.images:
        return Validation(list(dataset.problems), "no image is usable"), None
    return Validation(list(dataset.problems), why_no_objects(dataset)), dataset
