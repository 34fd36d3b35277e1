"""Pictures of instances: masks, boxes, class names and scores. Needs no display.

Pictures are arrays [H, W, 3] uint8 RGB; of images with other channels `as_rgb` shows
what it can. Small ones are enlarged before drawing, so that
names stay readable.
"""

import colorsys
import math

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from tfmask.data.coco import segmentation
from tfmask.data.dataset import ImageRecord
from tfmask.evaluation import lettering
from tfmask.evaluation.name_places import draw_names, font_scale, name_area
from tfmask.structures import ClassMap

_READABLE_SIDE = 768  # the longer side of a picture is at least this
_LARGEST_FACTOR = 4
_FILL = 0.45  # share of the colour inside a mask
_BAND = 0.4  # share of the colour in a boundary, the rest is white
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_DARKEST = 0.45  # luminance of the darkest colour
_CROWD_COLOUR = (150, 150, 150)
_SMALL = 12  # an instance below so many times a name's area is small


def instance_colours(number: int, seed: int = 0) -> list[tuple[int, int, int]]:
    """Bright RGB colours, each far in hue from those just before it."""
    start = np.random.default_rng(seed).random()
    colours = []
    for i in range(number):
        hue = (start + i * 0.618033988749895) % 1.0  # golden section: never near again
        saturation, value = ((1.0, 1.0), (0.65, 1.0), (1.0, 0.8))[i % 3]
        rgb = np.array(colorsys.hsv_to_rgb(hue, saturation, value))
        # Deep blue and violet are lifted towards white: they vanish on dark images.
        lack = max(0.0, _DARKEST - float(rgb @ _LUMINANCE))
        rgb += (1 - rgb) * lack / (1 - float(rgb @ _LUMINANCE))
        colours.append(tuple(round(255 * v) for v in rgb))
    return colours


def draw_instances(
    image: np.ndarray,
    boxes,
    labels,
    scores=None,
    masks=None,
    names: tuple[str, ...] = (),
    *,
    crowd=None,
    boundaries=None,
    draw_boxes: bool = True,
    seed: int = 0,
    longest_side: int | None = None,
    colours: list | None = None,
    write_names: bool = True,
) -> np.ndarray:
    """Draws instances on a copy of an image, enlarged 1 to 4 times if it is small.

    Args:
      image: [H, W, C] uint8, see `as_rgb`.
      boxes: [n, 4] x1 y1 x2 y2, pixels of the image.
      labels: [n] int, 1..K.
      scores: [n] float, written behind the names; None: no scores.
      masks: n run-length codes or [H, W] bool arrays; None: boxes only.
      names: names of the classes 1..K; a class without a name is written as its number.
      crowd: [n] bool, drawn gray and named "crowd".
      boundaries: as masks: predicted boundaries, drawn as opaque bands over the masks.
      draw_boxes: false: masks and names only.
      seed: of the colours.
      longest_side: a larger image is made so small before anything is drawn; None: it
        keeps its size.
      colours: n RGB colours; None: each instance has one of its own.
      write_names: false: neither names nor scores.

    Returns:
      [H * f, W * f, 3] uint8 RGB with f = `enlargement(image)`, unless it was made
      smaller.
    """
    image = as_rgb(image)
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    factor = enlargement(image)
    if longest_side is not None and max(image.shape[:2]) > longest_side:
        factor = 1
        image, boxes, masks, boundaries = _shrunk(
            image, boxes, masks, boundaries, longest_side
        )
    canvas = _enlarge(image, factor)
    boxes = boxes * factor
    number = len(boxes)
    crowd = np.zeros(number, bool) if crowd is None else np.asarray(crowd, bool)
    colours = instance_colours(number, seed) if colours is None else colours
    colours = [_CROWD_COLOUR if c else v for c, v in zip(crowd, colours)]
    extent = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.argsort(-extent, kind="stable")  # small ones on top of large ones
    small = np.zeros(canvas.shape[:2], bool)  # what names must not hide
    if masks is not None:
        for i in order:
            drawn = _draw_mask(canvas, masks[i], colours[i], factor)
            if drawn is not None and extent[i] < _SMALL * name_area(canvas):
                region, inside = drawn
                small[region] |= inside
    if boundaries is not None:
        for i in order:
            bright = tuple(round(255 - (255 - v) * _BAND) for v in colours[i])
            _draw_band(canvas, boundaries[i], bright, factor)
    if draw_boxes:
        for i in order:
            x1, y1, x2, y2 = (round(v) for v in boxes[i])
            cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colours[i], 1)
    if not write_names:
        return canvas
    texts = []
    for i in range(number):
        text = _class_name(names, int(labels[i])) if not crowd[i] else "crowd"
        score = "" if scores is None else f"{float(scores[i]):.2f}"
        texts.append([f"{text} {score}", score] if score else [text])
    # The best detection is named first, so that what is left out is the least.
    first = (
        np.argsort(-np.asarray(scores), kind="stable") if scores is not None else order
    )
    draw_names(canvas, small, boxes, texts, colours, first)
    return canvas


def as_rgb(image: np.ndarray) -> np.ndarray:
    """An image of C channels as [H, W, 3] uint8.

    One channel is shown gray, two as red and green, of more the first three.
    """
    channels = image.shape[2]
    if channels == 1:
        return np.repeat(image, 3, axis=2)
    if channels == 2:
        return np.concatenate([image, np.zeros_like(image[..., :1])], axis=2)
    return image[..., :3]


def enlargement(image: np.ndarray) -> int:
    """How many times a picture is enlarged so that its longer side is readable."""
    longer = max(image.shape[:2])
    return min(_LARGEST_FACTOR, max(1, math.ceil(_READABLE_SIDE / longer)))


def as_bitmap(mask) -> np.ndarray:
    """A run-length code or an array as [H, W] uint8, 0 or 1."""
    if isinstance(mask, dict):
        return mask_utils.decode(mask)
    return np.ascontiguousarray(mask, np.uint8)


def _class_name(names, label: int) -> str:
    return str(names[label - 1]) if 0 < label <= len(names) else f"class {label}"


def _shrunk(image: np.ndarray, boxes, masks, boundaries, longest_side: int) -> tuple:
    """Image, boxes and bitmaps with the longer side at `longest_side` pixels."""
    height, width = image.shape[:2]
    scale = longest_side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)

    def shrink(mask) -> np.ndarray:
        coverage = cv2.resize(as_bitmap(mask) * 255, size, interpolation=cv2.INTER_AREA)
        return (coverage > 127).astype(np.uint8)

    return (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        boxes * np.array([size[0] / width, size[1] / height] * 2),
        None if masks is None else [shrink(mask) for mask in masks],
        None if boundaries is None else [shrink(mask) for mask in boundaries],
    )


def _enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return np.ascontiguousarray(image).copy()
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _crop(mask):
    """The part of a mask that is not empty, with a pixel of air where there is room.

    Of a run-length code no more than that is decoded.

    Returns:
      (crop, top, left): [h, w] uint8, 0 or 1, and its place in the image; None where
      the mask is empty.
    """
    if isinstance(mask, dict):
        height, width = (int(v) for v in mask["size"])
        left, top, w, h = (int(v) for v in mask_utils.toBbox(mask))
        right, bottom = left + w, top + h
        if not w or not h:
            return None
    else:
        mask = as_bitmap(mask)
        height, width = mask.shape
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        left, right = int(columns[0]), int(columns[-1]) + 1
        top, bottom = int(rows[0]), int(rows[-1]) + 1
    # Air, so that enlarging the mask can round its corners.
    left, top = max(left - 1, 0), max(top - 1, 0)
    right, bottom = min(right + 1, width), min(bottom + 1, height)
    if not isinstance(mask, dict):
        return mask[top:bottom, left:right], top, left
    parsed, _ = segmentation.parse(mask, height, width)
    window = (left, top, right, bottom)
    return segmentation.decode_window(parsed, height, width, window), top, left


def _enlarged_crop(mask, factor: int):
    """`_crop` as large as on the canvas, and its place there."""
    placed = _crop(mask)
    if placed is None:
        return None
    crop, top, left = placed
    crop = np.ascontiguousarray(crop)
    if factor > 1:
        smooth = cv2.resize(
            crop * 255, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR
        )
        crop = (smooth > 127).astype(np.uint8)
    return crop, top * factor, left * factor


def _draw_mask(canvas: np.ndarray, mask, colour, factor: int):
    """Fills a mask half transparent and draws its contour, in place.

    Returns:
      (region, inside): slices of the canvas and [h, w] bool, what of it the mask as
      drawn covers; None where it is empty.
    """
    placed = _enlarged_crop(mask, factor)
    if placed is None:
        return None
    crop, top, left = placed
    region = (slice(top, top + crop.shape[0]), slice(left, left + crop.shape[1]))
    view, inside = canvas[region], crop > 0
    view[inside] = view[inside] * (1 - _FILL) + np.array(colour) * _FILL
    contours, _ = cv2.findContours(crop, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thickness = 2 if max(canvas.shape[:2]) >= 1000 else 1
    cv2.drawContours(
        canvas, contours, -1, colour, thickness, cv2.LINE_AA, offset=(left, top)
    )
    return region, inside


def _draw_band(canvas: np.ndarray, band, colour, factor: int) -> None:
    """Fills a boundary, opaque, in place."""
    placed = _enlarged_crop(band, factor)
    if placed is not None:
        crop, top, left = placed
        view = canvas[top : top + crop.shape[0], left : left + crop.shape[1]]
        view[crop > 0] = colour


# --- pages --------------------------------------------------------------------------


def with_caption(image: np.ndarray, caption: str) -> np.ndarray:
    """The picture under a dark bar with a line of text, shrunk to fit the width."""
    scale = max(font_scale(image), 0.5)
    # The bar's height does not depend on the text, so that pages side by side align.
    _, h, base = lettering.measure("Ag|", scale)
    w, _, _ = lettering.measure(caption, scale)
    room = image.shape[1] - 12
    if w > room > 0:
        scale = max(scale * room / w, 0.3)
    bar = np.full((h + base + 10, image.shape[1], 3), 32, np.uint8)
    lettering.write(bar, caption, (6, h + 5), scale, (255, 255, 255))
    return np.concatenate([bar, image])


def side_by_side(
    left: np.ndarray,
    right: np.ndarray,
    captions: tuple[str, str] = ("ground truth", "prediction"),
) -> np.ndarray:
    """Two pictures beside each other, each under its caption, white between them."""
    panels = [with_caption(p, c) for p, c in zip((left, right), captions)]
    height = max(p.shape[0] for p in panels)
    panels = [
        cv2.copyMakeBorder(
            p, 0, height - p.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)
        )
        for p in panels
    ]
    gap = np.full((height, 8, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1]], axis=1)


def draw_ground_truth(
    record: ImageRecord,
    image: np.ndarray,
    class_map: ClassMap,
    longest_side: int | None = None,
) -> np.ndarray:
    """The annotated instances on their image."""
    masks = [record.mask(i) for i in range(len(record.boxes))]
    return draw_instances(
        image,
        record.boxes,
        record.labels,
        None,
        masks,
        class_map.names,
        crowd=record.crowd,
        longest_side=longest_side,
    )


def describe_prediction(prediction, threshold: float) -> str:
    """Says how many detections are above a threshold, or what the best score was."""
    count = int((prediction.scores >= threshold).sum())
    if count:
        return f"{count} detection{'s' * (count > 1)} above {threshold:g}"
    if not len(prediction.scores):
        return "no detections at all"
    best = float(prediction.scores.max())
    return f"no detections above {threshold:g} (best score {best:.2g})"


def draw_prediction(
    prediction,
    image: np.ndarray,
    class_map: ClassMap,
    threshold: float = 0.5,
    longest_side: int | None = None,
) -> np.ndarray:
    """The detections of a `Prediction` with at least the threshold as score."""
    shown = prediction.above(threshold)
    return draw_instances(
        image,
        shown.boxes,
        shown.labels,
        shown.scores,
        shown.masks,
        class_map.names,
        boundaries=shown.boundaries,
        longest_side=longest_side,
    )


def compare(
    record: ImageRecord,
    image: np.ndarray,
    prediction,
    class_map: ClassMap,
    threshold: float = 0.5,
    longest_side: int | None = None,
) -> np.ndarray:
    """Ground truth beside prediction, both with captions."""
    count = len(record.boxes)
    return side_by_side(
        draw_ground_truth(record, image, class_map, longest_side),
        draw_prediction(prediction, image, class_map, threshold, longest_side),
        (
            f"ground truth: {count} instance{'s' * (count != 1)}",
            f"prediction: {describe_prediction(prediction, threshold)}",
        ),
    )


def encode_png(image: np.ndarray) -> bytes:
    """The picture as the bytes of a PNG file."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"an image of shape {image.shape} cannot be written as PNG")
    return data.tobytes()


def encode_within(image: np.ndarray, most_bytes: int) -> tuple[bytes, int, int]:
    """The picture as PNG, or JPEG, or a smaller JPEG: so that it has few bytes.

    Returns:
      (bytes of the file, height, width); it may take more than `most_bytes` only where
      it is but 32 pixels long.
    """
    data = encode_png(image)
    while len(data) > most_bytes:
        options = [cv2.IMWRITE_JPEG_QUALITY, 85]
        _, encoded = cv2.imencode(".jpg", image[..., ::-1], options)
        data = encoded.tobytes()
        if len(data) <= most_bytes or max(image.shape[:2]) <= 32:
            break
        scale = min(0.95 * math.sqrt(most_bytes / len(data)), 0.9)
        height, width = (max(round(side * scale), 1) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return data, *image.shape[:2]
