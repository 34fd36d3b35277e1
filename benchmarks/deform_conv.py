"""Deformable convolution beside the plain one, and what reading its places takes.

    python benchmarks/deform_conv.py [--rounds 15] [--modulated] [--spread 1.0]

The layers are the 3x3 convolutions of a ResNet-101's last three stages at 800x1333,
`stride` 1, float32. Forward, and forward with backward ("trained"); the places read by
stock ops and by the compiled op, all in turns. Displacements are normal. Memory is what
a trained layer adds to a process that does nothing else.
"""

import argparse
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor

import common

common.quiet()
# stage -> feature map [H, W, C], layers of this shape in a ResNet-101
STAGES = {
    "c3": ((100, 168, 128), 4),
    "c4": ((50, 84, 256), 23),
    "c5": ((25, 42, 512), 3),
}
FORMS = ("stock", "compiled")


def functions(shape, modulated, spread):
    """What is timed for a feature map: (pass, name) -> compiled function."""
    import tensorflow as tf

    from tfmask.ops.deform_columns import deform_columns
    from tfmask.ops.deform_conv import deform_conv2d

    height, width, channels = shape
    inputs = [
        tf.random.stateless_normal([1, height, width, channels], [1, 2]),
        tf.random.stateless_normal([3, 3, channels, channels], [3, 4]) * 0.01,
        spread * tf.random.stateless_normal([1, height, width, 18], [5, 6]),
    ]
    if modulated:
        inputs.append(tf.random.stateless_uniform([1, height, width, 9], [7, 8]))

    def plain(x, kernel, offsets, modulation=None):
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    def deformable(form):
        def function(x, kernel, offsets, modulation=None):
            return deform_conv2d(x, offsets, kernel, 1, modulation, form)

        return function

    def reading(form):
        def function(x, kernel, offsets, modulation=None):
            return deform_columns(x, offsets, modulation, 3, 1, form)

        return function

    def trained(function):
        def step(*inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                loss = tf.reduce_sum(function(*inputs))
            return [g for g in tape.gradient(loss, inputs) if g is not None]

        return step

    chosen = {"plain": plain}
    chosen |= {f"deformable, {form}": deformable(form) for form in FORMS}
    chosen |= {f"reading, {form}": reading(form) for form in FORMS}
    timed = {("forward", name): f for name, f in chosen.items()}
    timed |= {("trained", name): trained(f) for name, f in chosen.items()}
    timed = {key: tf.function(function) for key, function in timed.items()}
    return {key: lambda f=f: f(*inputs) for key, f in timed.items()}


def memory(shape, modulated, spread, form):
    """MiB that a trained layer adds; in a process of its own."""
    step = functions(shape, modulated, spread)["trained", f"deformable, {form}"]
    before = common.peak_gib()
    step()
    return 1024 * (common.peak_gib() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--modulated", action="store_true")
    parser.add_argument(
        "--spread", type=float, default=1.0, help="of the displacements, in cells"
    )
    options = parser.parse_args()
    chosen = options.modulated, options.spread
    # First: a process that is started has at least the peak of the one that starts it.
    context = multiprocessing.get_context("spawn")
    rows = []
    for stage, (shape, _) in STAGES.items():
        row = {"stage": stage}
        for form in FORMS:
            with ProcessPoolExecutor(1, context) as alone:
                peak = alone.submit(memory, shape, *chosen, form).result()
            row[f"{form}, MiB"] = peak
        rows.append(row)
    common.print_table(rows, list(rows[0]))
    rows = []
    for stage, (shape, layers) in STAGES.items():
        calls = functions(shape, *chosen)
        times: dict = {key: [] for key in calls}
        for round_ in range(options.rounds + 1):
            for key, call in calls.items():
                seconds, _ = common.median_seconds(call, 1, 0)
                if round_:  # the first call traces
                    times[key].append(1e3 * seconds)
        for kind in ("forward", "trained"):
            row = {"stage": stage, "map": "x".join(map(str, shape)), "layers": layers}
            row["pass"] = kind
            for (passed, name), values in times.items():
                if passed == kind:
                    row[f"{name}, ms"] = statistics.median(values)
            rows.append(row)
    common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
