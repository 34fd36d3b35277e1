"""TFRecords go both ways between tfmask and TensorFlow Model Garden.

    make garden
    .venv/bin/python benchmarks/records_exchange.py --garden .venv-garden/bin/python

There: a generated set is written by tfmask and decoded by Model Garden's own
`TfExampleDecoder(include_mask=True)`. Back: the same set is written by its
`create_coco_tf_record` and read by tfmask. Pixels, boxes, classes, crowds and masks are
compared one by one; ends with 1 where any differs.
"""

import argparse
import glob
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import common

common.quiet()

import numpy as np  # noqa: E402

from tfmask.data.convert.convert import convert_dataset  # noqa: E402
from tfmask.data.readers import load_dataset  # noqa: E402
from tfmask.data.synthetic.generate import write_dataset  # noqa: E402

HERE = Path(__file__).resolve().parent


def write_outlined(path: Path) -> Path:
    """The set without single objects in run lengths, which its writer cannot read."""
    content = json.loads(path.read_text())
    content["annotations"] = [
        a
        for a in content["annotations"]
        if a["iscrowd"] or isinstance(a["segmentation"], list)
    ]
    other = path.with_name("outlined.json")
    other.write_text(json.dumps(content))
    return other


def differences_there(truth, decoded) -> list[str]:
    """What Model Garden reads otherwise than tfmask wrote it.

    The file of an image goes over byte by byte; decoders of JPEG differ by a little.
    """
    records = {str(r.image_id): r for r in truth.images}
    count = sum(key.endswith("/source_id") for key in decoded.files)
    found = [] if count == len(truth) else [f"{count} images, not {len(truth)}"]
    for index in range(count):
        name = str(decoded[f"{index}/source_id"])
        record = records.pop(name)
        theirs = {
            key: decoded[f"{index}/{key}"]
            for key in ("image", "boxes", "classes", "crowd", "area", "masks")
        }
        x1, y1, x2, y2 = record.boxes.astype(float).T
        height, width = record.height, record.width
        shares = np.stack([y1 / height, x1 / width, y2 / height, x2 / width], 1)
        masks = [record.mask(i) for i in range(len(record.labels))]
        pixels = record.read(truth.exif).astype(float)
        if pixels.shape != theirs["image"].shape or (
            np.abs(pixels - theirs["image"]).mean() > 2
        ):
            found.append(f"image {name}: pixels")
        ours = {
            "boxes": shares.astype(np.float32),
            "classes": np.array([truth.class_map.ids[k - 1] for k in record.labels]),
            "crowd": record.crowd,
            "area": record.areas.astype(np.float32),
            "masks": np.array(masks).reshape(-1, height, width),
        }
        found += [
            f"image {name}: {key}"
            for key in ours
            if not np.array_equal(ours[key], theirs[key])
        ]
    return found


def differences_back(truth, read) -> list[str]:
    """What tfmask reads otherwise than Model Garden wrote it, boxes to 1e-4 pixels."""
    found = [f"problem: {p}" for p in read.problems if p.severity == "error"]
    others = {record.image_id: record for record in read.images}
    for record in truth.images:
        other = others.get(record.image_id)
        if other is None or len(other.labels) != len(record.labels):
            found.append(f"image {record.image_id}: instances")
            continue
        theirs = [read.class_map.names[k - 1] for k in other.labels]
        ours = [truth.class_map.names[k - 1] for k in record.labels]
        same = {
            "pixels": np.array_equal(record.read(truth.exif), other.read(read.exif)),
            "boxes": np.allclose(record.boxes, other.boxes, rtol=0, atol=1e-4),
            "classes": theirs == ours,
            "crowd": np.array_equal(record.crowd, other.crowd),
            "masks": all(
                np.array_equal(record.mask(i), other.mask(i)) for i in range(len(ours))
            ),
        }
        found += [
            f"image {record.image_id}: {key}" for key, ok in same.items() if not ok
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--garden", required=True, help="Model Garden's Python")
    parser.add_argument("--count", type=int, default=12, help="images to generate")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "set", args.count, seed=0, size=128)
        truth = load_dataset(str(folder / "set"), log=None)
        ours = f"{folder}/ours/train"
        convert_dataset("coco", str(folder / "set"), f"{ours}@3", target="tfrecord")
        decoded = folder / "decoded.npz"
        command = [args.garden, str(HERE / "garden_records.py")]
        shards = glob.glob(f"{ours}-*.tfrecord")
        subprocess.run([*command, *shards, "--output", str(decoded)], check=True)
        there = differences_there(truth, np.load(decoded))
        (folder / "theirs").mkdir()
        outlined = write_outlined(folder / "set" / "annotations.json")
        writer = [args.garden, "-m", "official.vision.data.create_coco_tf_record"]
        writer += ["--include_masks", "--num_shards=2", "--num_processes=0"]
        writer += [f"--image_dir={folder}/set/images"]
        writer += [f"--object_annotations_file={outlined}"]
        writer += [f"--output_file_prefix={folder}/theirs/train"]
        subprocess.run(writer, check=True, stderr=subprocess.DEVNULL)
        truth_back = load_dataset(str(outlined), f"{folder}/set/images", log=None)
        back = differences_back(truth_back, load_dataset(f"{folder}/theirs", log=None))
    for line in [*there, *back]:
        print(line)
    facts = {
        "images": len(truth),
        "instances": truth.num_annotations,
        "differences_there": len(there),
        "differences_back": len(back),
    }
    print(json.dumps(facts))
    return 1 if there or back else 0


if __name__ == "__main__":
    sys.exit(main())
