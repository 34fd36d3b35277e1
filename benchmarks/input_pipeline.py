"""Images per second that the input pipeline delivers at 800x1333, and how it scales.

    python benchmarks/input_pipeline.py [--data FOLDER] [--batch-size 2]

Without --data it generates photograph-like JPEGs of 640x480 and 480x640 pixels with
eight polygons each, as COCO has them on average. First the parts of an example and the
whole of it, per core of CPU time, so that other work on the machine hardly matters.
Then the whole `tf.data` pipeline on one core, on two, and so on, and beside it as many
pipelines of one core each, which share nothing but the machine: no pipeline scales
better than these. Each round runs all of them one after the other, in processes of
their own; medians of the rounds. Wall time counts there, and other work on the machine
makes all of it too low.

For scale: a GPU that trains Mask R-CNN R50-FPN takes some 10 to 20 images a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from tfmask.config import DataConfig  # noqa: E402
from tfmask.data import pipeline, transforms  # noqa: E402
from tfmask.data.box_frames import InstanceMasks  # noqa: E402
from tfmask.data.images import read as images  # noqa: E402
from tfmask.data.readers import load_dataset  # noqa: E402

INSTANCES = 8


def generate(folder: str, count: int) -> None:
    """Writes a COCO folder: smooth noise with grain, star-shaped polygons."""
    rng = np.random.default_rng(0)
    os.makedirs(os.path.join(folder, "images"))
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    for index in range(count):
        width, height = (640, 480) if rng.random() < 0.75 else (480, 640)
        coarse = rng.integers(0, 255, (height // 20, width // 20, 3), np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        image = cv2.add(image, rng.integers(0, 24, image.shape, np.uint8))
        name = f"{index}.jpg"
        path = os.path.join(folder, "images", name)
        cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        content["images"].append(
            {"id": index, "file_name": name, "height": height, "width": width}
        )
        for _ in range(INSTANCES):
            points, radius = int(rng.integers(10, 60)), rng.uniform(10, 130)
            turn = np.sort(rng.uniform(0, 2 * np.pi, points))
            spokes = radius * rng.uniform(0.6, 1, points)
            x = rng.uniform(0, width) + spokes * np.cos(turn)
            y = rng.uniform(0, height) + spokes * np.sin(turn)
            outline = np.stack([x.clip(0, width), y.clip(0, height)], 1).round(2)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": index,
                    "category_id": 1,
                    "iscrowd": 0,
                    "segmentation": [outline.ravel().tolist()],
                }
            )
    with open(os.path.join(folder, "annotations.json"), "w") as stream:
        json.dump(content, stream)


def per_call(function, calls: int) -> float:
    """CPU seconds of one call, over `calls` calls of function(i) after a warm-up."""
    for i in range(min(calls, 4)):
        function(i)
    start = time.process_time()
    for i in range(calls):
        function(i)
    return (time.process_time() - start) / calls


def measure_parts(dataset, batch_size: int, calls: int) -> None:
    """CPU time of the parts of an example."""
    records = dataset.images

    def read(i):
        return images.read_image(records[i % len(records)].path)

    def resize(i):
        shape = transforms.resized_shape(
            *decoded[i % len(decoded)].shape[:2], 800, 1333
        )
        canvas = np.zeros((*shape, 3), np.uint8)
        transforms.resize_image(decoded[i % len(decoded)], *shape, canvas)

    def masks(i):
        record = records[i % len(records)]
        size = record.height, record.width
        InstanceMasks(record.segmentations, record.boxes, ~record.crowd, *size).compute(
            112
        )

    def masks_in_numpy(i):
        record = records[i % len(records)]
        for value, box in zip(record.segmentations, record.boxes):
            transforms.box_frame_mask(value, record.height, record.width, box, 112)

    loader = pipeline.ExampleLoader(
        dataset, DataConfig(), True, 0, batch_size=batch_size
    )
    decoded = [read(i) for i in range(min(len(records), 32))]
    average = np.mean([len(r.boxes) for r in records])
    print(f"{len(records)} images, {average:.1f} instances per image, one core:")
    for name, function in (
        ("read and decode", read),
        ("resize to 800x1333", resize),
        ("masks, R = 112", masks),
        ("masks in NumPy", masks_in_numpy),
        ("whole example", loader.example),
    ):
        seconds = per_call(function, calls)
        print(f"  {name:20s} {seconds * 1e3:7.2f} ms  {1 / seconds:7.1f} a second")


def run_pipeline(dataset, batch_size: int, calls: int) -> tuple[float, float]:
    """Images per second of wall time and of CPU time."""
    stream = iter(pipeline.training_dataset(dataset, DataConfig(), batch_size, 0))
    for _ in range(-(-32 // batch_size)):
        next(stream)
    steps = max(calls // batch_size, 4)
    start, used = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(stream)
    wall, used = time.perf_counter() - start, time.process_time() - used
    return steps * batch_size / wall, steps * batch_size / used


def measure_scaling(arguments: list[str], rounds: int) -> None:
    """The pipeline on 1, 2, 4, ... cores, and as many pipelines of one, in turns."""
    cores = sorted(os.sched_getaffinity(0))
    numbers = [2**k for k in range(len(cores).bit_length()) if 2**k <= len(cores)]
    together = {number: [] for number in numbers}
    apart = {number: [] for number in numbers}
    for _ in range(rounds):
        for number in numbers:
            together[number] += in_processes(arguments, [cores[:number]])
            each = in_processes(arguments, [[core] for core in cores[:number]])
            apart[number].append(sum(wall for wall, _ in each))
    one = statistics.median(wall for wall, _ in together[1])
    print(f"tf.data, medians of {rounds} rounds:")
    for number in numbers:
        wall, used = (statistics.median(column) for column in zip(*together[number]))
        most = statistics.median(apart[number]) / statistics.median(apart[1])
        print(
            f"  {number:3d} cores {wall:7.1f} images/s, {wall / one:5.2f} times one; "
            f"{used:6.1f} images per second of CPU time; as many processes of one core "
            f"each: {most:5.2f}"
        )


def in_processes(arguments: list[str], groups: list[list[int]]) -> list[tuple]:
    """What `run_pipeline` gives in a process for each group of cores, all at once."""
    started = []
    for cores in groups:
        on = ["--on", ",".join(map(str, cores))]
        command = [sys.executable, __file__, *arguments, *on]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit("a round ended early")
    return [tuple(json.loads(text.splitlines()[-1])) for text in said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="COCO folder or annotation JSON")
    parser.add_argument("--images", default="", help="image folder of --data")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--count", type=int, default=48, help="images to generate")
    parser.add_argument("--calls", type=int, default=1000, help="examples to time")
    parser.add_argument("--rounds", type=int, default=5, help="of the scaling")
    parser.add_argument("--on", help=argparse.SUPPRESS)  # the cores of a round's run
    args = parser.parse_args()
    if args.on:
        os.sched_setaffinity(0, map(int, args.on.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            args.data = os.path.join(folder, "set")
            generate(args.data, args.count)
        # The generated file has no boxes and areas: taken from the masks, no news.
        dataset = load_dataset(args.data, args.images, log=None)
        if args.on:
            print(json.dumps(run_pipeline(dataset, args.batch_size, args.calls)))
            return
        measure_parts(dataset, args.batch_size, args.calls)
        arguments = ["--data", args.data, "--batch-size", str(args.batch_size)]
        arguments += ["--images", args.images, "--calls", str(args.calls)]
        measure_scaling(arguments, args.rounds)


if __name__ == "__main__":
    main()
