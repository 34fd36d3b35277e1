"""From a path to a data set: which reader takes it, and what is common to all readers.

A reader is a function `read(path, images, options, log) -> Dataset`:

- `path`, `images`: what the user named; `images` is empty where nothing was named.
- `options`: the `config.DataConfig`. A user's own reader finds its own settings in
  `options.format`.
- `log`: called with a line of text; None: say nothing.

It yields every image that can be used, with what was left out or mended as
`Dataset.problems`, and raises `DataError` where nothing can be used. Strictness, empty
images and crowd regions are handled here, so that they mean the same for every format.
"""

import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from tfmask.config import DataConfig
from tfmask.data.dataset import Dataset
from tfmask.data.images.pixels import pixel_format
from tfmask.data.problems import ERROR, Problem
from tfmask.data.recognise import is_cityscapes, is_coco, is_lvis
from tfmask.data.tfrecord.shards import looks_like_shards
from tfmask.errors import ConfigError, DataError

_LISTED = 5  # problems that an error message quotes


class Format(NamedTuple):
    """A row of the table of formats."""

    module: str  # holds `read`; imported when it is needed
    lies_there: Callable[[str], bool]  # whether a path looks like it


# The first that `lies_there` takes a path when `data.format` is "auto".
FORMATS = {
    "lvis": Format("tfmask.data.lvis", is_lvis),
    "coco": Format("tfmask.data.coco.reader", is_coco),
    "cityscapes": Format("tfmask.data.cityscapes.reader", is_cityscapes),
    "tfrecord": Format("tfmask.data.tfrecord.reader", looks_like_shards),
}


def load_dataset(
    path: str,
    images: str = "",
    options: DataConfig | None = None,
    *,
    training: bool = False,
    log=print,
) -> Dataset:
    """Loads a data set of any format.

    Records that cannot be used are left out and counted in one line of the log; with
    `options.strict` any of them is an error. Warnings (a missing area, a box that has
    to be taken from the mask) never stop the loading.

    Args:
      path: what `data.train` or `data.val` names.
      images: the image folder, where it is not the one that the format implies.
      options: format, strictness, orientation; for training also which images and
        regions are kept. Default: the defaults of `DataConfig`.
      training: the data is to be trained on: `options.keep_empty` and
        `options.keep_crowd` apply, and there must be an object.
      log: called with each line of text; None: nothing is said.

    Raises:
      DataError: nothing can be used, or `strict` and a record is faulty.
      ConfigError: `options.format` is neither a known word nor a reader.
    """
    options = options or DataConfig()
    dataset = find_reader(options.format, path)(path, images, options, log)
    dataset = replace(dataset, pixels=pixel_format(options))
    errors = [p for p in dataset.problems if p.severity == ERROR]
    if options.strict and errors:
        raise DataError(_quote(dataset, errors), errors[0].kind)
    if training:
        dataset = for_training(dataset, options)
    if not dataset.images:
        quoted = f": {_quote(dataset, errors)}" if errors else ""
        raise DataError(f"{dataset.source}: no image is usable{quoted}", "no_images")
    if dataset.problems and log is not None:
        log(_summary(dataset, len(errors)))
    return dataset


def for_training(dataset: Dataset, options: DataConfig) -> Dataset:
    """The images and regions of a data set that are to be trained on.

    Args:
      dataset: as it was read.
      options: keep_empty, keep_crowd.

    Raises:
      DataError: there is no object.
    """
    why = why_no_objects(dataset)
    if why:
        raise DataError(f"{dataset.source}: {why}", "no_objects")
    records = dataset.images
    if not options.keep_empty:
        records = [r for r in records if not r.crowd.all()]  # all() of none is true
    if not options.keep_crowd:
        records = [r.select(~r.crowd) if r.crowd.any() else r for r in records]
    return replace(dataset, images=records)


def find_reader(data_format, path: str) -> Callable:
    """The reader of `data.format`, a word or a user's own config, for a path.

    Raises:
      ConfigError: neither a known word nor a config with a `reader`.
    """
    if not isinstance(data_format, str):
        reader = getattr(type(data_format), "reader", None)
        if not callable(reader):
            raise ConfigError(
                f"data.format={data_format!r}: expected a word ({_words()}) or a "
                "PartConfig with `reader: ClassVar[Callable]`"
            )
        return reader
    if data_format == "auto":
        rows = [row for row in FORMATS.values() if row.lies_there(path)]
        # COCO's reader says best what is missing where nothing lies there.
        row = rows[0] if rows else FORMATS["coco"]
    elif data_format in FORMATS:
        row = FORMATS[data_format]
    else:
        raise ConfigError(f"data.format={data_format!r}: expected one of {_words()}")
    return importlib.import_module(row.module).read


def why_no_objects(dataset: Dataset) -> str:
    """The commonest reason why there is no object to learn; empty if there is one."""
    if dataset.num_objects:
        return ""
    none = "there is not one object to train on"
    faulty = dataset.annotations_ignored
    crowds = dataset.num_annotations - faulty
    left_out = dataset.annotations_left_out + faulty
    if not crowds and not left_out:
        return f"{none}: the {len(dataset)} images have no annotations"
    if crowds >= left_out:
        return (
            f"{none}: {crowds} of {crowds + left_out} annotations are regions to "
            "ignore (iscrowd=1), which some tools set for every run-length code; set "
            "it to 0 for single objects"
        )
    errors = [p for p in dataset.problems if p.severity == ERROR]
    why = f"{none}: {left_out} of {crowds + left_out} annotations are left out"
    if not errors:
        return why
    kinds = Counter(p.kind for p in errors)
    kind, count = kinds.most_common(1)[0]
    example = next(p for p in errors if p.kind == kind)
    return f"{why}; the commonest fault, {count} times: {example}"


def _words() -> str:
    return ", ".join(["auto", *FORMATS])


def _summary(dataset: Dataset, num_errors: int) -> str:
    left, images = dataset.annotations_left_out, dataset.images_left_out
    ignored = dataset.annotations_ignored
    regions = f", {ignored} annotations made regions to ignore" if ignored else ""
    return (
        f"{dataset.source}: {left} of {dataset.num_annotations + left} annotations and "
        f"{images} of {len(dataset) + images} images left out{regions} "
        f"({num_errors} errors, "
        f"{len(dataset.problems) - num_errors} warnings); `tfmask validate "
        f"{dataset.path}` lists them"
    )


def _quote(dataset: Dataset, errors: list[Problem]) -> str:
    lines = [str(p) for p in errors[:_LISTED]]
    if len(errors) > _LISTED:
        lines.append(f"and {len(errors) - _LISTED} more")
    listed = "\n  ".join(lines)
    return (
        f"{dataset.source}: {len(errors)} faulty records; `tfmask validate "
        f"{dataset.path}` lists all:\n  {listed}"
    )
