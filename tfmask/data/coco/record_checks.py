"""The annotation records of a COCO file: whose they are, what is wrong with each."""

from typing import NamedTuple

from tfmask.data.coco.annotation_checks import (
    Fault,
    Instance,
    Outline,
    complete,
    corner_votes,
    outline,
    region_to_ignore,
)
from tfmask.data.coco.annotation_file import AnnotationFile
from tfmask.data.coco.image_checks import ImageEntry
from tfmask.data.problems import ERROR, WARNING, Problem

_CROWD_SHARE = 0.2  # COCO has 1 %; tools that set iscrowd for every RLE have 100 %


class CheckedRecords(NamedTuple):
    """What the records of a file come to."""

    instances: dict[int | str, list[Instance]]  # by image id, of every usable image
    left_out: int  # records that are not among them, those of unusable images included
    ignored: int  # faulty records that are among them as regions to ignore


def check_annotations(
    file: AnnotationFile,
    entries: dict,
    known: set,
    problems: list[Problem],
    keep_regions: bool = False,
) -> CheckedRecords:
    """Turns the records into instances; what is wrong is added to `problems`.

    Args:
      file: the opened file.
      entries: image id -> ImageEntry of the usable images.
      known: ids of all images, usable or not.
      problems: of the file so far.
      keep_regions: a record that is left out but has a sound box becomes a region to
        ignore there: it likely holds an object, which is no background.
    """
    reports = _Reports(file.annotations)
    faulty: list[tuple[int, ImageEntry]] = []
    outlines = _outlines(file, entries, known, reports, faulty)
    votes = [corner_votes(outlined) for _, _, outlined in outlines]
    as_corners = sum(votes) > 0
    instances: dict = {image_id: [] for image_id in entries}
    count = 0
    for index, entry, outlined in outlines:
        warn = reports.warner(index)
        try:
            instance = complete(outlined, entry.height, entry.width, as_corners, warn)
        except Fault as fault:
            reports.add(index, fault.kind, fault.message, ERROR)
            faulty.append((index, entry))
            continue
        instances[entry.image_id].append(instance)
        count += 1
    problems += reports.in_order()
    if as_corners:
        message = (
            f"the file's boxes are x1, y1, x2, y2 ({votes.count(1)} of {len(votes)} "
            "can be told): read as such; expected x, y, width, height"
        )
        problems.append(Problem("bbox_corners", None, None, message, WARNING))
    _check_crowds(instances, problems)
    ignored = 0
    if keep_regions:
        labels = _labels(file)
        for index, entry in sorted(faulty, key=lambda pair: pair[0]):
            record = file.annotations[index]
            region = region_to_ignore(
                record, entry.height, entry.width, labels, as_corners
            )
            if region is not None:
                instances[entry.image_id].append(region)
                ignored += 1
    return CheckedRecords(instances, len(file.annotations) - count - ignored, ignored)


def _labels(file: AnnotationFile) -> dict:
    return {key: i + 1 for i, key in enumerate(file.class_map.ids)}


class _Reports:
    """Problems of the records, given back in the records' order."""

    def __init__(self, records: list):
        self._records = records
        self._problems: list[tuple[int, Problem]] = []

    def add(self, index: int, kind: str, message: str, severity: str) -> None:
        image_id, annotation_id = record_ids(self._records[index])
        problem = Problem(kind, image_id, annotation_id, message, severity)
        self._problems.append((index, problem))

    def warner(self, index: int):
        return lambda kind, message: self.add(index, kind, message, WARNING)

    def in_order(self) -> list[Problem]:
        ordered = sorted(self._problems, key=lambda pair: pair[0])
        return [problem for _, problem in ordered]


def _outlines(
    file: AnnotationFile, entries: dict, known: set, reports: _Reports, faulty: list
) -> list[tuple[int, ImageEntry, Outline]]:
    """(position, image, outline) of each record that has a sound label and mask.

    (position, image) of the others of usable images is added to `faulty`, unless they
    are no record of their own.
    """
    labels = _labels(file)
    first_with_id: dict = {}
    outlines = []
    for index, record in enumerate(file.annotations):
        warn = reports.warner(index)
        entry = None
        try:
            _check_identity(record, index, known, first_with_id, warn)
            entry = entries.get(record["image_id"])
            if entry is None:
                continue  # goes with its image, which is reported
            outlined = outline(record, entry.height, entry.width, labels, warn)
        except Fault as fault:
            reports.add(index, fault.kind, fault.message, ERROR)
            if entry is not None:
                faulty.append((index, entry))
            continue
        outlines.append((index, entry, outlined))
    return outlines


def record_ids(record) -> tuple[int | str | None, int | str | None]:
    """(image id, annotation id) of a record; None for what is no id."""
    if not isinstance(record, dict):
        return None, None
    image_id, annotation_id = (
        v if type(v) in (int, str) else None
        for v in (record.get("image_id"), record.get("id"))
    )
    return image_id, annotation_id


def _check_identity(record, index: int, known: set, first_with_id: dict, warn) -> None:
    """The record is an object of a known image, and not there twice."""
    if not isinstance(record, dict):
        raise Fault(
            "annotation_not_object", f"annotation {index + 1} of the list is no object"
        )
    image_id, annotation_id = record_ids(record)
    if image_id is None or image_id not in known:
        given = record.get("image_id")
        other = (
            int(given) if isinstance(given, str) and given.isdecimal() else str(given)
        )
        hint = f" (there is {other!r})" if other in known else ""
        raise Fault(
            "unknown_image",
            f"image_id is {given!r}, which is not among the images{hint}",
        )
    if annotation_id is None:
        warn("annotation_bad_id", f"id is {record.get('id')!r}: expected an integer")
        return
    first = first_with_id.setdefault(annotation_id, record)
    if first is not record:
        if first == record:
            raise Fault("annotation_duplicate", "the same record is there before")
        warn(
            "annotation_duplicate_id",
            "another annotation has this id too: metrics need ids of their own",
        )


def _check_crowds(instances: dict, problems: list[Problem]) -> None:
    flags = [i.crowd for group in instances.values() for i in group]
    if flags and sum(flags) > _CROWD_SHARE * len(flags):
        message = (
            f"{sum(flags)} of {len(flags)} annotations have iscrowd=1, which makes "
            "them regions to ignore: some tools set it for every run-length code; "
            "set it to 0 for single objects"
        )
        problems.append(Problem("many_crowd", None, None, message, WARNING))
