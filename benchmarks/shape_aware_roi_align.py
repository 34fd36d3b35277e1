"""The compiled RoIAlign beside the stock ops: time, ratio, share of the memory's speed.

    python benchmarks/shape_aware_roi_align.py [--repeats N]

Levels P2 to P5 of one 800x1333 image, 256 channels, float32, 2x2 samples a bin: 1000
boxes of 7x7 bins (proposals) and 100 boxes of 14x14 bins (detections), with sides from
16 to 600 pixels in even steps of their logarithm. Stock calls, compiled calls and a
copy of memory take turns, so that other work on the machine meets all of them. Backward
is the gradient of the features, and of the masks where there are masks.

The last column is the traffic no implementation can avoid (the cells that some sample
reads, the result, the gradients; each once), over the time, over what the copy reaches.
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


class Copy:
    """Copies 200 MB with every core, which reads and writes 400 MB."""

    def __init__(self):
        self.source = np.ones(50 << 20, np.float32)
        self.target = np.zeros(50 << 20, np.float32)
        cuts = np.linspace(0, len(self.source), os.cpu_count() + 1).astype(int)
        self.parts = [slice(*pair) for pair in zip(cuts[:-1], cuts[1:])]
        self.bytes = 2 * self.source.nbytes

    def __call__(self):
        workers = [
            threading.Thread(target=np.copyto, args=(self.target[p], self.source[p]))
            for p in self.parts
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


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
    """Rows of the table: median seconds, and medians of what each round says."""
    import tensorflow as tf

    from tfmask.ops.roi_levels import LevelsBySize
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
    levels = LevelsBySize.of_pyramid(2, 5).assign(boxes)
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
        copy = Copy()
        calls = {
            "stock": tf.function(lambda f=function: f("stock")),
            "compiled": tf.function(lambda f=function: f("compiled")),
            "copy": copy,
        }
        rounds = []
        for _ in range(repeats + 2):
            times = {}
            for key, call in calls.items():
                started = time.perf_counter()
                call()
                times[key] = time.perf_counter() - started
            times["ratio"] = times["stock"] / times["compiled"]
            times["share"] = (traffic[function] / times["compiled"]) / (
                copy.bytes / times["copy"]
            )
            rounds.append(times)
        row = {k: statistics.median(r[k] for r in rounds[2:]) for k in rounds[0]}
        rows.append({"pass": name, "speed": copy.bytes / row["copy"], **row})
    return rows


def main() -> None:
    import tensorflow as tf

    options = common.parser(__doc__.splitlines()[0], repeats=15).parse_args()
    print(f"TensorFlow {tf.__version__}\n")
    print(
        "| boxes | op | pass | stock, ms | compiled, ms | ratio | copy, GB/s | of it |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for count, size in CASES:
        for with_masks in (False, True):
            for row in measure(count, size, with_masks, options.repeats):
                op = "shape-aware" if with_masks else "RoIAlign"
                print(
                    f"| {count} of {size}x{size} | {op} | {row['pass']} | "
                    f"{row['stock'] * 1e3:.1f} | {row['compiled'] * 1e3:.1f} | "
                    f"{row['ratio']:.1f} | {row['speed'] / 1e9:.1f} | "
                    f"{row['share']:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
