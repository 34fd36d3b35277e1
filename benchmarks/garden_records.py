"""TFRecords as TensorFlow Model Garden reads them, in its own environment.

    .venv-garden/bin/python benchmarks/garden_records.py SHARDS... --output FILE.npz

Decodes every record with `TfExampleDecoder(include_mask=True)`, the decoder of its Mask
R-CNN, and writes for image k `k/source_id`, `k/boxes`, `k/classes`, `k/masks`, ...
records_exchange.py compares them.
"""

import argparse

import common

common.quiet()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from official.vision.dataloaders import tf_example_decoder  # noqa: E402

FIELDS = {
    "source_id": "source_id",
    "image": "image",
    "boxes": "groundtruth_boxes",  # ymin, xmin, ymax, xmax, shares of the sides
    "classes": "groundtruth_classes",
    "crowd": "groundtruth_is_crowd",
    "area": "groundtruth_area",
    "masks": "groundtruth_instance_masks",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", nargs="+")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    decoder = tf_example_decoder.TfExampleDecoder(include_mask=True)
    arrays = {}
    for index, raw in enumerate(tf.data.TFRecordDataset(sorted(args.shards))):
        decoded = decoder.decode(raw)
        for name, key in FIELDS.items():
            value = decoded[key].numpy()
            text = value.decode() if isinstance(value, bytes) else value
            arrays[f"{index}/{name}"] = np.asarray(text)
    np.savez(args.output, **arrays)


if __name__ == "__main__":
    main()
