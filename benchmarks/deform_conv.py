"""Deformable convolution beside the plain one, and what reading its places takes.

    python benchmarks/deform_conv.py [--rounds 15]

The layers are the 3x3 convolutions of a ResNet-101's last three stages at 800x1333,
`stride` 1, float32. Forward, and forward with backward. A compiled op could do nothing
but the reading faster, and the reading's gradient: the matrix product is the library's.
"""

import argparse
import statistics

import common

common.quiet()
# stage -> feature map [H, W, C], layers of this shape in a ResNet-101
STAGES = {
    "c3": ((100, 168, 128), 4),
    "c4": ((50, 84, 256), 23),
    "c5": ((25, 42, 512), 3),
}


def functions(shape):
    """What is timed for a feature map: name -> compiled function."""
    import tensorflow as tf

    from tfmask.ops.deform_conv import _columns, _places, deform_conv2d

    height, width, channels = shape
    x = tf.random.stateless_normal([1, height, width, channels], [1, 2])
    kernel = tf.random.stateless_normal([3, 3, channels, channels], [3, 4]) * 0.01
    offsets = tf.random.stateless_normal([1, height, width, 18], [5, 6])

    def plain(x, offsets, kernel):
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    def reading(x, offsets, kernel):
        return _columns(x, _places(offsets, 3, 1))

    def trained(function):
        def step(*inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                loss = tf.reduce_sum(function(*inputs))
            return [g for g in tape.gradient(loss, inputs) if g is not None]

        return step

    chosen = {"plain": plain, "deformable": deform_conv2d, "reading": reading}
    timed = {name: tf.function(function) for name, function in chosen.items()}
    timed |= {
        f"{name}, trained": tf.function(trained(function))
        for name, function in chosen.items()
    }
    return {name: lambda f=f: f(x, offsets, kernel) for name, f in timed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rows = []
    for stage, (shape, layers) in STAGES.items():
        calls = functions(shape)
        times = {name: [] for name in calls}
        for round_ in range(options.rounds + 1):
            for name, call in calls.items():
                seconds, _ = common.median_seconds(call, 1, 0)
                if round_:  # the first call traces
                    times[name].append(1e3 * seconds)
        median = {name: statistics.median(values) for name, values in times.items()}
        row = {"stage": stage, "map": "x".join(map(str, shape)), "layers": layers}
        rows.append(row | {f"{name}, ms": value for name, value in median.items()})
    common.print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
