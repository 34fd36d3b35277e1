"""The data of a run: what `data.train` and `data.val` name, with the classes wanted."""

from tfmask.config import DataConfig
from tfmask.data import classes
from tfmask.data.dataset import Dataset
from tfmask.data.readers import for_training, load_dataset
from tfmask.errors import ConfigError, DataError
from tfmask.structures import ClassMap


def load_training(options: DataConfig, log=print) -> Dataset:
    """The training data: the sets of `data.train` as one, with the classes chosen.

    Args:
      options: train, train_images, repeat; merge, classes, other_classes; and what
        `readers.load_dataset` looks at.
      log: called with each line of text; None: nothing is said.

    Raises:
      ConfigError: settings that do not fit each other or the data.
      DataError: nothing can be used, or there is no object to learn.
    """
    sets = [
        load_dataset(path, images, options, log=log)
        for path, images in training_places(options)
    ]
    union = classes.join(sets, options.repeat)
    classes.check_names(options, union.class_map.names)
    dataset = classes.choose_classes(union, options, log)
    if union.num_objects and not dataset.num_objects:
        raise DataError(
            f"{union.source}: there is not one object of data.classes="
            f"{','.join(options.classes)} to train on",
            "no_objects",
        )
    if log is not None and len(sets) > 1:
        for part in sets:
            missing = classes.missing_classes(part, dataset.class_map, options.merge)
            if missing:
                log(
                    f"{part.source}: has no class {', '.join(missing)}, which others "
                    "of data.train have: what there is of it on these images is "
                    "learned as background"
                )
    return for_training(dataset, options)


def load_validation(
    options: DataConfig, class_map: ClassMap | None = None, log=print
) -> Dataset:
    """The data of `data.val` with the labels of a model, classes matched by name.

    Args:
      options: val, val_images; merge, classes, other_classes; and what
        `readers.load_dataset` looks at.
      class_map: of the model; None where it is not known: the data's own.
      log: called with each line of text; None: nothing is said.

    Raises:
      ConfigError, DataError: as `load_training`; or no class is the model's.
    """
    if not options.val:
        raise no_place("val")
    dataset = load_dataset(options.val, options.val_images, options, log=log)
    if class_map is None:
        classes.check_names(options, dataset.class_map.names)
    dataset = classes.choose_classes(dataset, options, log)
    if class_map is None:
        return dataset
    return classes.match_classes(dataset, class_map, options, log)


def training_places(options: DataConfig) -> list[tuple[str, str]]:
    """(path, image folder) of each training set.

    Raises:
      ConfigError: there is none, or settings of each set are not as many.
    """
    paths, folders = (
        (value,) if isinstance(value, str) else value
        for value in (options.train, options.train_images)
    )
    if not paths or not all(paths):
        raise no_place("train")
    if not any(folders):
        folders = ("",) * len(paths)
    for name, values in (("train_images", folders), ("repeat", options.repeat)):
        if values and len(values) != len(paths):
            raise ConfigError(
                f"data.{name}: {len(values)} values for {len(paths)} sets of "
                "data.train: expected one for each"
            )
    return list(zip(paths, folders))


def no_place(name: str) -> ConfigError:
    """What is to be said where `data.train` or `data.val` names nothing."""
    what = {"train": "the training data", "val": "the data to evaluate on"}[name]
    return ConfigError(
        f"data.{name}: expected {what}, e.g. data.{name}=FOLDER with annotations.json "
        "and images/ in it, or an annotation JSON"
    )
