"""The compiled RoIAlign beside the stock ops: time, ratio, share of the memory's speed.

    python benchmarks/shape_aware_roi_align.py [--repeats N]

Levels P2 to P5 of one 800x1333 image, 256 channels, float32, 2x2 samples a bin: 1000
boxes of 7x7 bins (proposals) and 100 boxes of 14x14 bins (detections), with sides from
16 to 600 pixels in even steps of their logarithm. Stock and compiled calls take turns,
so that other work on the machine meets both. Backward is the gradient of the features,
and of the masks where there are masks.

The last column is the traffic no implementation can avoid (the cells that some sample
reads, the result, the gradients; each once), over the time, over what a copy of 400 MB
reaches in the same run.
"""

import os
import statistics
import threading
import time

import common
import numpy as np

common.quiet()

HEIGHT, WIDTH, CHANNELS = 800, 1333, 256
STRIDES = (4.0, 8.0, 16.0, 32.0)
CASES = ((1000, 7), (100, 14))


def proposals(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    side = np.exp(np.linspace(np.log(16), np.log(600), count))
    aspect = np.exp(rng.normal(0, 0.4, count))
    half = np.stack([side * aspect**0.5, side / aspect**0.5], 1) / 2
    middle = rng.uniform(0, [WIDTH, HEIGHT], (count, 2))
    boxes = np.concatenate([middle - half, middle + half], 1)
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT] * 2)
    return rng.permutation(boxes).astype(np.float32)


def bandwidth(threads: int, repeats: int) -> float:
    """Bytes a second that a copy reads and writes, every thread a part of it."""
    source, target = np.ones(50 << 20, np.float32), np.zeros(50 << 20, np.float32)
    parts = [slice(i * len(source) // threads, (i + 1) * len(source) // threads)
             for i in range(threads)]  # fmt: skip

    def copy():
        workers = [
            threading.Thread(target=np.copyto, args=(target[p], source[p]))
            for p in parts
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    seconds, _ = common.median_seconds(copy, repeats, 2)
    return 2 * source.nbytes / seconds


def cells_read(boxes: np.ndarray, levels: np.ndarray) -> int:
    """Cells of all levels that lie in or around some box."""
    total = 0
    for level, stride in enumerate(STRIDES):
        touched = np.zeros([-(-HEIGHT // int(stride)), -(-WIDTH // int(stride))], bool)
        for x1, y1, x2, y2 in boxes[levels == level] / stride - 0.5:
            rows = slice(max(int(y1), 0), int(y2) + 2)
            touched[rows, max(int(x1), 0) : int(x2) + 2] = True
        total += int(touched.sum())
    return total


def measure(count: int, size: int, with_masks: bool, repeats: int) -> list[dict]:
    import tensorflow as tf

    from tfmask.ops.roi_align import assign_levels
    from tfmask.ops.shape_aware_roi_align import shape_aware_roi_align

    rng = np.random.default_rng(1)
    features = [
        tf.constant(
            rng.standard_normal(
                (1, -(-HEIGHT // int(s)), -(-WIDTH // int(s)), CHANNELS), np.float32
            )
        )
        for s in STRIDES
    ]
    boxes = tf.constant(proposals(count))
    levels = assign_levels(boxes, 2, 5)
    images = tf.zeros([count], tf.int32)
    masks = tf.constant(rng.random((count, 28, 28), np.float32)) if with_masks else None
    gradient = tf.constant(
        rng.standard_normal((count, size, size, CHANNELS), np.float32)
    )

    def forward(implementation):
        return shape_aware_roi_align(
            features, boxes, images, levels, masks, size, STRIDES, 2, True,
            implementation,
        )  # fmt: skip

    def both(implementation):
        watched = [*features, masks] if with_masks else features
        with tf.GradientTape() as tape:
            tape.watch(watched)
            pooled = forward(implementation)
        return tape.gradient(pooled, watched, gradient)

    read = cells_read(boxes.numpy(), levels.numpy()) * CHANNELS * 4
    result = gradient.shape.num_elements() * 4
    maps = sum(f.shape.num_elements() for f in features) * 4
    traffic = {forward: read + result}
    # Again the incoming gradient, and the features where masks need them.
    traffic[both] = traffic[forward] + result + maps + (read if with_masks else 0)
    rows = []
    for function, name in ((forward, "forward"), (both, "forward and backward")):
        times = {"stock": [], "compiled": []}
        calls = {key: tf.function(lambda key=key, f=function: f(key)) for key in times}
        for round_number in range(repeats + 2):
            for key, call in calls.items():
                started = time.perf_counter()
                call()
                if round_number >= 2:
                    times[key].append(time.perf_counter() - started)
        rows.append(
            {
                "pass": name,
                "stock": statistics.median(times["stock"]),
                "compiled": statistics.median(times["compiled"]),
                "ratio": statistics.median(
                    s / c for s, c in zip(times["stock"], times["compiled"])
                ),
                "bytes": traffic[function],
            }
        )
    return rows


def main() -> None:
    import tensorflow as tf

    options = common.parser(__doc__.splitlines()[0], repeats=15).parse_args()
    speed = bandwidth(os.cpu_count(), options.repeats)
    print(f"TensorFlow {tf.__version__}; a copy moves {speed / 1e9:.1f} GB/s\n")
    print("| boxes | op | pass | stock, ms | compiled, ms | ratio | of the copy |")
    print("|---|---|---|---|---|---|---|")
    for count, size in CASES:
        for with_masks in (False, True):
            for row in measure(count, size, with_masks, options.repeats):
                op = "shape-aware" if with_masks else "RoIAlign"
                share = row["bytes"] / row["compiled"] / speed
                print(
                    f"| {count} of {size}x{size} | {op} | {row['pass']} | "
                    f"{row['stock'] * 1e3:.1f} | {row['compiled'] * 1e3:.1f} | "
                    f"{row['ratio']:.1f} | {share:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
