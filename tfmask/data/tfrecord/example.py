"""One `tf.train.Example` of the Object Detection API and Model Garden, and its checks.

Boxes are `image/object/bbox/{xmin, xmax, ymin, ymax}` as shares of the image's sides.
What tfmask writes has them in pixels too, under the names that Model Garden gives these
(`xmin_pixels`, ...): single precision cannot give back a pixel from a share.
"""

from typing import NamedTuple

import cv2
import numpy as np

from tfmask.data.coco import segmentation as seg
from tfmask.data.coco.annotation_checks import Fault
from tfmask.errors import SegmentationError

EDGES = ("xmin", "ymin", "xmax", "ymax")  # in the order of a corner box
BOX = "image/object/bbox/{}"
BOX_PIXELS = "image/object/bbox/{}_pixels"


class Fields(NamedTuple):
    """What a record says, not yet checked against the image."""

    source_id: str
    file_name: str
    encoded: bytes
    size: tuple[int, int] | None  # (height, width); None where it does not say
    boxes: np.ndarray  # [n, 4] float32 x1, y1, x2, y2; shares of the sides, or pixels
    in_pixels: bool
    labels: list[int]  # n
    texts: list[str]  # n class names; empty where there are none
    crowd: list[int]  # n
    areas: list[float | None]  # n
    masks: list[bytes]  # n PNG files

    def corner_boxes(self, height: int, width: int) -> np.ndarray:
        """[n, 4] float32, pixels."""
        if self.in_pixels:
            return self.boxes
        scale = np.array([width, height, width, height], np.float64)
        return (self.boxes * scale).astype(np.float32)


def parse_example(data: bytes) -> Fields:
    """The fields of a serialised Example.

    Raises:
      Fault: it is none, or its lists do not belong together.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(data).features.feature
    except DecodeError:
        raise Fault("record_bad", "is no tf.train.Example") from None
    encoded = _one(features, "image/encoded", "bytes_list")
    if not encoded:
        raise Fault("record_without_image", "has no image/encoded")
    height = _one(features, "image/height", "int64_list")
    width = _one(features, "image/width", "int64_list")
    labels = _list(features, "image/object/class/label", "int64_list")
    count = len(labels)
    pixels = [_list(features, BOX_PIXELS.format(e), "float_list") for e in EDGES]
    shares = [_list(features, BOX.format(e), "float_list") for e in EDGES]
    in_pixels = all(len(values) == count for values in pixels)
    boxes = pixels if in_pixels else shares
    masks = _list(features, "image/object/mask", "bytes_list")
    crowd = _list(features, "image/object/is_crowd", "int64_list")
    areas = _list(features, "image/object/area", "float_list")
    texts = _list(features, "image/object/class/text", "bytes_list")
    required = {BOX.format(e): values for e, values in zip(EDGES, boxes)}
    required["image/object/mask"] = masks
    for key, values in required.items():
        if len(values) != count:
            raise Fault("record_lists_differ", _differ(count, key, len(values)))
    for key, values in (("is_crowd", crowd), ("area", areas), ("class/text", texts)):
        if values and len(values) != count:
            key = f"image/object/{key}"
            raise Fault("record_lists_differ", _differ(count, key, len(values)))
    return Fields(
        source_id=_text(_one(features, "image/source_id", "bytes_list")),
        file_name=_text(_one(features, "image/filename", "bytes_list")),
        encoded=encoded,
        size=(height, width) if height and width and min(height, width) > 0 else None,
        boxes=np.array(boxes, np.float32).reshape(4, count).T,
        in_pixels=in_pixels,
        labels=labels,
        texts=[_text(t) for t in texts],
        crowd=crowd or [0] * count,
        areas=[_shortest(a) for a in areas] or [None] * count,
        masks=masks,
    )


def _differ(count: int, key: str, other: int) -> str:
    said = f"has {count} image/object/class/label and {other} {key}: expected as many"
    if not other and key == "image/object/mask":
        said += (
            ": it was written without masks (--include_masks of Model Garden's tool)"
        )
    return said


def decode_mask(png: bytes, height: int, width: int) -> seg.RLE:
    """A PNG mask as run lengths; what is not 0 belongs to the instance.

    Raises:
      SegmentationError: it cannot be decoded, or has another size than the image.
    """
    mask = None
    if png:
        mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise SegmentationError(
            "the mask is no PNG that can be decoded", "mask_unreadable"
        )
    if mask.shape != (height, width):
        raise SegmentationError(
            f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image {width} "
            f"x {height}",
            "mask_size_differs",
        )
    return seg.from_mask(mask)


def metric_box(box: tuple[float, float, float, float]) -> list[float]:
    """x, y, width, height of a corner box, without the noise of single precision.

    Each edge becomes the shortest decimal number that single precision cannot tell from
    it: 236.98, as annotated, not 236.97999572753906.
    """
    x1, y1, x2, y2 = map(_shortest, box)
    return [x1, y1, round(x2 - x1, 9), round(y2 - y1, 9)]


def _shortest(value) -> float:
    return float(str(np.float32(value)))


def _list(features, key: str, kind: str) -> list:
    return list(getattr(features[key], kind).value) if key in features else []


def _one(features, key: str, kind: str):
    values = _list(features, key, kind)
    return values[0] if values else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
