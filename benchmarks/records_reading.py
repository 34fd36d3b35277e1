"""Reading a data set from TFRecords beside the same set as JSON and image files.

    python benchmarks/records_reading.py [--data FOLDER] [--count 48]

Without --data the set is that of input_pipeline.py: photograph-like JPEGs of 640x480
with eight polygons each. Timed, in turns: opening the set (of TFRecords every byte is
read and every mask decoded then), and a training example of 800x1333, per core of CPU
time, which is what both forms are read for.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import input_pipeline  # noqa: E402

from tfmask.config import DataConfig  # noqa: E402
from tfmask.data.convert.convert import convert_dataset  # noqa: E402
from tfmask.data.loader import ExampleLoader  # noqa: E402
from tfmask.data.readers import load_dataset  # noqa: E402


def opening(path: str, images: str) -> float:
    start = time.perf_counter()
    load_dataset(path, images, log=None)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="COCO folder or annotation JSON")
    parser.add_argument("--images", default="", help="image folder of --data")
    parser.add_argument("--count", type=int, default=48, help="images to generate")
    parser.add_argument("--calls", type=int, default=60, help="examples to time")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            args.data = os.path.join(folder, "set")
            input_pipeline.generate(args.data, args.count)
        prefix = os.path.join(folder, "tf", "train")
        convert_dataset(
            "coco",
            args.data,
            f"{prefix}@4",
            images=args.images,
            target="tfrecord",
            log=None,
        )
        forms = {"JSON": (args.data, args.images), "TFRecord": (f"{prefix}@4", "")}
        loaders = {
            name: ExampleLoader(
                load_dataset(*paths, log=None), DataConfig(), True, 0, log=None
            )
            for name, paths in forms.items()
        }
        opened = {name: [] for name in forms}
        examples = {name: [] for name in forms}
        for _ in range(args.rounds):
            for name, paths in forms.items():
                opened[name].append(opening(*paths))
                seconds = input_pipeline.per_call(loaders[name].example, args.calls)
                examples[name].append(seconds)
        dataset = loaders["JSON"].dataset
        print(f"{len(dataset)} images, {dataset.num_annotations} instances")
        for name in forms:
            each = statistics.median(opened[name]) / len(dataset)
            example = statistics.median(examples[name])
            print(
                f"  {name:10s} opening {each * 1e3:6.2f} ms an image, training example "
                f"{example * 1e3:6.2f} ms, {1 / example:5.1f} a second"
            )
        medians = [statistics.median(examples[name]) for name in forms]
        print(f"  examples a second, TFRecord / JSON: {medians[0] / medians[1]:.3f}")


if __name__ == "__main__":
    main()
