"""Every problem of a data set, by image and annotation, for `tfmask validate`."""

from typing import NamedTuple

from tfmask.config import DataConfig
from tfmask.data.problems import ERROR, Problem
from tfmask.data.readers import find_reader, require_objects
from tfmask.errors import DataError


class Validation(NamedTuple):
    """What is wrong with a data set, and whether anything can be done with it."""

    problems: list[Problem]
    unusable: str  # why it cannot be trained on at all; empty when it can


def validate_dataset(
    path: str, images: str = "", options: DataConfig | None = None
) -> Validation:
    """Lists every problem of a data set.

    Image headers are read (format, size, orientation), pixels are not.

    Args:
      path: what `data.train` would name.
      images: the image folder, where it is not the one that the format implies.
      options: format and orientation. Default: the defaults of `DataConfig`.
    """
    options = options or DataConfig()
    try:
        dataset = find_reader(options.format, path)(path, images, options, None)
    except DataError as error:
        return Validation(
            [Problem(error.kind, None, None, str(error), ERROR)], str(error)
        )
    unusable = ""
    try:
        if not dataset.images:
            raise DataError(f"{dataset.source}: no image is usable", "no_images")
        require_objects(dataset)
    except DataError as error:
        unusable = str(error)
    return Validation(list(dataset.problems), unusable)
