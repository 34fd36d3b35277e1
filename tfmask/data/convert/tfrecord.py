"""Any data set as sharded TFRecords, as TensorFlow Model Garden reads them."""

import hashlib
import io
import json
import os
from contextlib import ExitStack

import cv2
import numpy as np

from tfmask.data.dataset import Dataset, ImageRecord
from tfmask.data.images.headers import read_header
from tfmask.data.images.read import read_bytes
from tfmask.data.tfrecord import shards as files
from tfmask.data.tfrecord.example import BOX, BOX_PIXELS, EDGES
from tfmask.errors import ConfigError, DataError, ImageError
from tfmask.files import replacing, write_atomically
from tfmask.structures import ClassMap

_SHARD_BYTES = (
    200 << 20
)  # of images; what TensorFlow's guides advise is 100 MB and more
# What TensorFlow decodes; the orientation of EXIF it passes over.
_KEPT = ("JPEG", "PNG")


def write(dataset: Dataset, output: str, log=print) -> None:
    """Writes the shards, the label map and the numbers of records.

    Images are copied byte by byte where TensorFlow reads them as tfmask does, and else
    stored as PNG. An image that cannot be read is left out and named.

    Args:
      dataset: what is written; category ids must be positive whole numbers.
      output: prefix of the shards, e.g. `tf/train`; with their number, `tf/train@32`.
        Default: one for each 200 MB of images.
      log: called with lines of text; None: nothing is said.

    Raises:
      ConfigError: the prefix cannot be one, or shards of another number lie there.
      DataError: no image can be read, or a category id is not a positive number.
    """
    prefix, count = files.split_specification(output)
    class_map = _checked_classes(dataset)
    if count is None:
        count = max(-(-sum(map(_size, dataset.images)) // _SHARD_BYTES), 1)
    count = min(count, len(dataset))
    names = [files.shard_path(prefix, i, count) for i in range(count)]
    _check_prefix(prefix, names)
    written = _write_shards(dataset, names, log)
    if not sum(written):
        raise DataError(f"{dataset.source}: no image can be read", "no_images")
    write_atomically(files.label_map_path(prefix), files.format_classes(class_map))
    counts = {os.path.basename(n): k for n, k in zip(names, written)}
    write_atomically(files.counts_path(prefix), json.dumps(counts, indent=1) + "\n")
    if log is not None:
        if dataset.is_federated:
            log(
                "LVIS's classes that are known to be absent, and those annotated in "
                "part, have no place in TFRecords: they are not written"
            )
        log(
            f"{sum(written)} images, {dataset.num_annotations} annotations, "
            f"{class_map.num_classes} classes -> {count} shards of {prefix}; to train "
            f"on them: data.train={prefix}@{count}"
        )


def _checked_classes(dataset: Dataset) -> ClassMap:
    for key in dataset.class_map.ids:
        if type(key) is not int or key < 1:
            raise DataError(
                f"{dataset.source}: the category id {key!r} cannot be a label of "
                "TFRecords, where 0 is the background: expected positive whole "
                "numbers: give the categories other ids",
                "category_bad_id",
            )
    return dataset.class_map


def _check_prefix(prefix: str, names: list[str]) -> None:
    if not os.path.basename(prefix) or os.path.isdir(prefix) or "*" in prefix:
        raise ConfigError(
            f"{prefix}: expected the beginning of the shards' names, e.g. tf/train, or "
            "with their number tf/train@32"
        )
    try:
        present = files.find_shards(f"{prefix}-*").paths
    except DataError:
        return
    others = sorted({*present} - {*names})
    if others:
        raise ConfigError(
            f"{others[0]}: is a shard of another set with this prefix: expected "
            "another output, or remove its shards"
        )


def _write_shards(dataset: Dataset, names: list[str], log) -> list[int]:
    """Writes all shards side by side, image i to shard i mod n; returns their counts.

    Neighbours of the source, often frames of one film, so come to lie in different
    shards. The files get their names when all are written.
    """
    import tensorflow as tf

    written = [0] * len(names)
    with ExitStack() as stack:
        temporary = [stack.enter_context(replacing(name)) for name in names]
        with ExitStack() as open_files:
            writers = [
                open_files.enter_context(tf.io.TFRecordWriter(name))
                for name in temporary
            ]
            for index, record in enumerate(dataset.images):
                try:
                    example = _example(tf, record, dataset)
                except ImageError as error:
                    if log is not None:
                        log(f"image {record.image_id!r} is left out: {error}")
                    continue
                shard = index % len(names)
                writers[shard].write(example.SerializeToString())
                written[shard] += 1
    return written


def _example(tf, record: ImageRecord, dataset: Dataset):
    """The `tf.train.Example` of an image."""
    encoded, image_format = _encoded(record, dataset.exif)
    class_map = dataset.class_map
    labels = record.labels.tolist()
    features = {
        "image/encoded": [encoded],
        "image/format": [image_format.encode()],
        "image/filename": [record.file_name.encode("utf-8", "replace")],
        "image/source_id": [str(record.image_id).encode("utf-8", "replace")],
        "image/key/sha256": [hashlib.sha256(encoded).hexdigest().encode()],
        "image/height": np.array([record.height]),
        "image/width": np.array([record.width]),
        "image/object/class/label": np.array(
            [class_map.ids[k - 1] for k in labels], int
        ),
        "image/object/class/text": [class_map.names[k - 1].encode() for k in labels],
        "image/object/is_crowd": record.crowd.astype(int),
        "image/object/area": record.areas.astype(np.float32),
        "image/object/mask": [_mask(record, i) for i in range(len(labels))],
    }
    sides = [record.width, record.height] * 2
    for edge, side, values in zip(EDGES, sides, record.boxes.T):
        features[BOX.format(edge)] = (values.astype(float) / side).astype(np.float32)
        features[BOX_PIXELS.format(edge)] = values
    return tf.train.Example(
        features=tf.train.Features(
            feature={key: _feature(tf, value) for key, value in features.items()}
        )
    )


def _feature(tf, value):
    if isinstance(value, list):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
    if np.issubdtype(value.dtype, np.integer):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    return tf.train.Feature(float_list=tf.train.FloatList(value=value))


def _encoded(record: ImageRecord, exif: str) -> tuple[bytes, str]:
    """The image's file and its format, which TensorFlow reads as tfmask does."""
    pixels = record.read(exif)  # also for its check: what is damaged is not passed on
    data = read_bytes(record.path, record.span)
    header = read_header(io.BytesIO(data))
    if header.format in _KEPT and header.orientation == 1:
        return data, header.format.lower()
    return _png(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)), "png"


def _mask(record: ImageRecord, index: int) -> bytes:
    return _png(record.mask(index))


def _png(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", image)
    if not done:
        raise ImageError("OpenCV cannot encode a PNG", "image_unreadable")
    return data.tobytes()


def _size(record: ImageRecord) -> int:
    if record.span is not None:
        return record.span.length
    return os.path.getsize(record.path) if os.path.exists(record.path) else 0
