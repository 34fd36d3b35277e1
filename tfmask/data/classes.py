"""Classes by their names: some of them, several read as one, those of several sets.

A class is known by its name. Where a data set has several of one name, the first of
them is the first of that name in another data set, and so on.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tfmask.config import DataConfig
from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.errors import ConfigError, DataError
from tfmask.structures import ClassMap

_DROPPED = -1  # in tables of new labels; 0 is a region to ignore
_LISTED = 8  # names that a message lists


def choose_classes(dataset: Dataset, options: DataConfig, log=None) -> Dataset:
    """The data set with the classes that `data.merge` and `data.classes` leave.

    A class keeps its category id; one that others are read as has its own, if it is
    there, or else the first of theirs.

    Args:
      dataset: as it was read.
      options: merge, classes, other_classes. What they name and the data has not is
        passed over, see `check_names`.
      log: called with a line that counts the objects of other classes.
    """
    if not options.merge and not options.classes:
        return dataset
    old = dataset.class_map
    renamed = [options.merge.get(name, name) for name in old.names]
    kept = set(options.classes or renamed)
    targets = set(options.merge.values())
    chosen: list[tuple[int | str, str]] = []  # (id, name)
    rows: dict = {}  # what makes a class one -> its place in `chosen`
    new = [0]
    for key, name, label in zip(_keys(old.names), renamed, range(1, len(renamed) + 1)):
        if name not in kept:
            new.append(_DROPPED)
            continue
        one = name if name in targets else key
        if one not in rows:
            rows[one] = len(chosen)
            chosen.append((old.ids[label - 1], name))
        elif old.names[label - 1] == name and name in targets:
            chosen[rows[one]] = old.ids[label - 1], name
        new.append(rows[one] + 1)
    class_map = ClassMap(tuple(i for i, _ in chosen), tuple(n for _, n in chosen))
    result = _relabel(dataset, class_map, new, options.other_classes)
    if log is not None and _DROPPED in new:
        log(
            f"{dataset.source}: {class_map.num_classes} classes by data.classes; "
            f"{_count(dataset, new)} objects of others are {_fate(options)}"
        )
    return result


def check_names(options: DataConfig, names: Sequence[str]) -> None:
    """Refuses a `data.classes` or `data.merge` that names what is not there.

    Args:
      options: merge, classes.
      names: of the classes of all the data, as they are read.

    Raises:
      ConfigError: naming the class and those that there are.
    """
    renamed = {options.merge.get(name, name) for name in names}
    for setting, wanted, known in (
        ("data.merge", options.merge, set(names)),
        ("data.classes", options.classes, renamed),
    ):
        for name in wanted:
            if name not in known:
                raise ConfigError(
                    f"{setting}: the data has no class {name!r}{_like(name, known)}; "
                    f"expected some of {_listing(sorted(known))}"
                )


def join(datasets: Sequence[Dataset], repeat: Sequence[int] = ()) -> Dataset:
    """Several data sets as one, whose classes are those of all, by name.

    Labels and category ids are the first set's; a class that it has not comes after
    them, with its own id where that is free. Image ids say which set they are of.

    Args:
      datasets: at least one.
      repeat: how often the images of each are there; empty: once.
    """
    if len(datasets) == 1 and not repeat:
        return datasets[0]
    ids: list = []
    labels: dict = {}  # (name, number) -> label
    for dataset in datasets:
        for category_id, key in zip(
            dataset.class_map.ids, _keys(dataset.class_map.names)
        ):
            if key not in labels:
                labels[key] = len(ids) + 1
                ids.append(_free_id(category_id, ids))
    class_map = ClassMap(tuple(ids), tuple(name for name, _ in labels))
    images: list[ImageRecord] = []
    for number, dataset in enumerate(datasets):
        new = [0, *(labels[key] for key in _keys(dataset.class_map.names))]
        records = _relabel(dataset, class_map, new).images
        if len(datasets) > 1:
            records = [
                dataclasses.replace(r, image_id=f"{r.image_id} of set {number + 1}")
                for r in records
            ]
        images += records * (repeat[number] if repeat else 1)
    return dataclasses.replace(
        datasets[0],
        path=", ".join(d.path for d in datasets),
        source=", ".join(d.source for d in datasets),
        class_map=class_map,
        images=images,
        problems=[problem for d in datasets for problem in d.problems],
        images_left_out=sum(d.images_left_out for d in datasets),
        annotations_left_out=sum(d.annotations_left_out for d in datasets),
        annotations_ignored=sum(d.annotations_ignored for d in datasets),
        class_frequencies=datasets[0].class_frequencies if len(datasets) == 1 else (),
    )


def match_classes(
    dataset: Dataset, class_map: ClassMap, options: DataConfig, log=None
) -> Dataset:
    """The data set with the labels of a model, classes matched by name.

    A class that the model does not know is left out by `data.other_classes`. One that
    the data has not keeps the model's category id, or gets a free one.

    Args:
      dataset: to be evaluated on.
      class_map: of the model.
      options: other_classes, strict.
      log: called with a line where a class is missing on one side.

    Raises:
      DataError: no class is in both, or `strict` and the model misses one.
    """
    ours, theirs = dataset.class_map, class_map
    if ours.names == theirs.names:
        return dataset
    labels = {key: i for i, key in enumerate(_keys(theirs.names), 1)}
    own = _keys(ours.names)
    new = [0, *(labels.get(key, _DROPPED) for key in own)]
    unknown = [name for (name, _), label in zip(own, new[1:]) if label == _DROPPED]
    absent = [name for (name, _), i in labels.items() if i not in new]
    if len(absent) == len(labels):
        raise DataError(
            f"{dataset.source}: its categories ({_listing(ours.names)}) have no name "
            f"in common with the model's classes ({_listing(theirs.names)}); "
            "data.merge.OLD=NEW reads one as another",
            "other_classes",
        )
    said = []
    if unknown:
        hints = "".join(_like(name, absent, merge=True) for name in unknown)
        said.append(
            f"{_listing(unknown)}: not among the model's classes, "
            f"{_count(dataset, new)} objects are {_fate(options)}{hints}"
        )
    if absent:
        said.append(f"{_listing(absent)}: classes of the model that are not in it")
    text = f"{dataset.source}: {'; '.join(said)}"
    if unknown and options.strict:
        raise DataError(text, "other_classes")
    if said and log is not None:
        log(text)
    ids: list = [None] * len(labels)
    for category_id, label in zip(ours.ids, new[1:]):
        if label > 0:
            ids[label - 1] = category_id
    for row, category_id in enumerate(ids):
        if category_id is None:
            taken = [*ours.ids, *(i for i in ids if i is not None)]
            ids[row] = _free_id(theirs.ids[row], taken)
    matched = ClassMap(tuple(ids), tuple(theirs.names))
    return _relabel(dataset, matched, new, options.other_classes)


def missing_classes(
    dataset: Dataset, class_map: ClassMap, merge: dict[str, str]
) -> list[str]:
    """Names of a union's classes that one of its data sets does not have."""
    names = {merge.get(name, name) for name in dataset.class_map.names}
    return [name for name in class_map.names if name not in names]


def _relabel(
    dataset: Dataset, class_map: ClassMap, new: Sequence[int], other: str = "drop"
) -> Dataset:
    """The data set with other labels.

    Args:
      dataset: with K classes.
      class_map: of the new labels.
      new: K + 1 numbers, the new label of each old one from 0 on, or _DROPPED.
      other: what becomes of the objects of dropped classes.
    """
    table = np.array(new, np.int32)
    if other == "ignore":
        table[table == _DROPPED] = 0
    sources: dict[int, list[int]] = {}  # new label -> old ones
    for label, target in enumerate(new):
        if label and target > 0:
            sources.setdefault(target, []).append(label)
    frequencies = dataset.class_frequencies
    single = all(len(old) == 1 for old in sources.values())
    if frequencies and single and len(sources) == class_map.num_classes:
        frequencies = tuple(
            frequencies[sources[label][0] - 1] for label in sorted(sources)
        )
    else:
        frequencies = ()
    return dataclasses.replace(
        dataset,
        class_map=class_map,
        images=[_relabelled(record, table, sources) for record in dataset.images],
        class_frequencies=frequencies,
    )


def _relabelled(record: ImageRecord, table: np.ndarray, sources: dict) -> ImageRecord:
    labels = table[record.labels]
    negative = record.negative_labels
    if negative is not None:
        # An image is known to hold none of a merged class if it holds none of any.
        negative = frozenset(
            n for n, old in sources.items() if negative.issuperset(old)
        )
    partial = record.not_exhaustive_labels
    record = dataclasses.replace(
        record,
        labels=labels,
        crowd=record.crowd | (labels == 0),
        negative_labels=negative,
        not_exhaustive_labels=frozenset(
            n for n, old in sources.items() if not partial.isdisjoint(old)
        ),
    )
    return record if (labels >= 0).all() else record.select(labels >= 0)


def _keys(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with the number of equal ones before it."""
    seen: Counter = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _free_id(wanted: int | str, taken: Sequence) -> int | str:
    """A category id that is not taken; 1 and "1" are the same."""
    texts = {str(key) for key in taken}
    if str(wanted) not in texts:
        return wanted
    free = max((key for key in taken if isinstance(key, int)), default=0) + 1
    while str(free) in texts:
        free += 1
    return free


def _count(dataset: Dataset, new: Sequence[int]) -> int:
    """Objects of the classes that are dropped."""
    dropped = np.array(new) == _DROPPED
    return sum(int((dropped[r.labels] & ~r.crowd).sum()) for r in dataset.images)


def _fate(options: DataConfig) -> str:
    if options.other_classes == "ignore":
        return "regions to ignore (data.other_classes)"
    return "left out (data.other_classes=ignore: regions to ignore)"


def _like(name: str, known, merge: bool = False) -> str:
    """A hint where a name differs from a known one in case and spaces alone."""
    for other in known:
        if _letters(other) == _letters(name):
            how = f": data.merge.{name}={other}" if merge else ""
            return f" (there is {other!r}{how})"
    return ""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _listing(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
