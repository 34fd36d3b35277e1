"""Images of a report: ground truth beside predictions, coloured by what is right."""

import base64
from typing import NamedTuple

import numpy as np

from tfmask.data.dataset import Dataset
from tfmask.errors import ImageError
from tfmask.evaluation import visualize
from tfmask.evaluation.coco_metrics import Metrics
from tfmask.evaluation.mistakes import ImageMistakes, Mistakes
from tfmask.report.markup import Markup, element

# The style sheet has the same in its legend of the pictures.
RIGHT, WRONG, MISSED, IGNORED = (
    (43, 184, 122),
    (255, 138, 43),
    (232, 64, 196),
    (150,) * 3,
)
_LONGEST_SIDE = 640  # pixels of a panel
_MOST_BYTES = 110_000


class Judged(NamedTuple):
    """A run as the report shows it."""

    name: str
    metrics: Metrics
    mistakes: Mistakes
    kind: str  # what the mistakes are of: mask, or box where there are no masks


def ranked(mistakes: Mistakes) -> list[int]:
    """Places of the images by rising quality; without those where nothing is."""
    known = [
        (m.quality, i) for i, m in enumerate(mistakes.images) if m.quality is not None
    ]
    return [i for _, i in sorted(known)]


def by_difference(first: Mistakes, second: Mistakes) -> list[tuple[float, int]]:
    """(quality of the second - of the first, place of the image), rising."""
    found = []
    for i, (one, other) in enumerate(zip(first.images, second.images)):
        if one.quality is not None and other.quality is not None:
            found.append((other.quality - one.quality, i))
    return sorted(found)


def picture(place: int, runs: list[Judged], dataset: Dataset) -> Markup:
    """Ground truth and the predictions of the runs on one image.

    Args:
      place: of the image in the evaluations.
      runs: one or two.
      dataset: has the image file.
    """
    truth = runs[0].metrics.truth
    image_id = truth.image_ids[place]
    record = next(r for r in dataset.images if r.image_id == image_id)
    name = f"{record.file_name} (image {image_id})"
    try:
        image = dataset.read(record)
    except ImageError as error:
        return element("figure", element("p", str(error)), class_="image")
    named = len(truth.category_ids) > 1
    panels = [_truth_panel(image, runs, place, named)]
    panels += [_found_panel(image, run, place, named) for run in runs]
    return element(
        "figure",
        element("figcaption", name),
        element("div", *panels, class_="panels"),
        class_="image",
    )


def _truth_panel(image, runs: list[Judged], place: int, named: bool) -> Markup:
    truth = runs[0].metrics.truth
    objects = truth.coco.imgToAnns[place + 1]
    reports = [run.mistakes.images[place] for run in runs]
    missed = [set(report.missed) for report in reports]
    colours = [
        IGNORED
        if a["iscrowd"]
        else MISSED
        if any(a["id"] in m for m in missed)
        else RIGHT
        for a in objects
    ]
    drawn = _draw(image, objects, colours, truth.category_names, named)
    count = sum(not a["iscrowd"] for a in objects)
    return _panel(drawn, "ground truth", f"{count} instance{'s' * (count != 1)}")


def _found_panel(image, run: Judged, place: int, named: bool) -> Markup:
    report = run.mistakes.images[place]
    detections = run.metrics.runs[run.kind].cocoDt.anns
    shown = [*report.ignored, *report.wrong, *report.right]
    records = [detections[key] for key in shown]
    colours = [
        RIGHT if key in report.right else WRONG if key in report.wrong else IGNORED
        for key in shown
    ]
    names = run.metrics.truth.category_names
    drawn = _draw(image, records, colours, names, named)
    return _panel(drawn, run.name, counts(report))


def counts(report: ImageMistakes) -> str:
    """What an image's detections are, in words."""
    quality = "" if report.quality is None else f", quality {report.quality:.3f}"
    return (
        f"{len(report.right)} right, {len(report.wrong)} wrong, "
        f"{len(report.missed)} missed{quality}"
    )


def _draw(image, records: list[dict], colours: list, names, named: bool) -> np.ndarray:
    boxes = np.array([a["bbox"] for a in records], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    outlined = all(isinstance(a.get("segmentation"), dict) for a in records)
    scored = bool(records) and "score" in records[0]
    return visualize.draw_instances(
        image,
        boxes,
        [a["category_id"] for a in records],
        [a["score"] for a in records] if scored else None,
        [a["segmentation"] for a in records] if outlined else None,
        names,
        draw_boxes=not outlined,
        longest_side=_LONGEST_SIDE,
        colours=colours,
        write_names=named,
    )


def _panel(drawn: np.ndarray, title: str, said: str) -> Markup:
    data, height, width = visualize.encode_within(drawn, _MOST_BYTES)
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    image = element(
        "img", src=address, alt=f"{title}: {said}", width=width, height=height
    )
    image = Markup(image.removesuffix("</img>"))
    caption = element("p", element("b", title), element("span", said))
    return element("div", image, caption, class_="panel")
