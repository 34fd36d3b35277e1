"""Random calls of the compiled columns of deformable convolution, valid and not.

    PYTHONPATH=tests python tests/fuzz_deform_columns.py --calls 10000 --seed 0

Every valid call must give what the NumPy equations give (compared on a share of the
calls), every invalid one an error of Python. With a sanitized library see
docs/custom_ops.md.
"""

import collections
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fuzzing
import numpy as np
import tensorflow as tf
from deform_reference import columns, gradients

from tfmask.ops.deform_columns import deform_columns

# type and the tolerance of values of order one
DTYPES = (
    (tf.float32, 1e-5),
    (tf.float64, 1e-6),  # the gradient of the offsets is float32
    (tf.float16, 2e-3),
    (tf.bfloat16, 2e-2),
)
FAULTS = ("batch", "rows", "taps", "modulation", "rank", "size", "strides")


def random_call(rng):
    """Keyword arguments of a valid call, and its tolerance."""
    dtype, tolerance = DTYPES[rng.integers(len(DTYPES))]
    size, strides = int(rng.choice([1, 3, 3, 5])), int(rng.integers(1, 4))
    batch, height, width = rng.integers(0, [4, 25, 12])
    channels = int(rng.choice([0, 1, 2, 3, 8, 16, 17, 33, 150]))
    lead = (batch, -(-height // strides), -(-width // strides))
    spread = rng.choice([0.0, 0.5, 2.0, 20.0])
    offsets = spread * rng.normal(size=(*lead, 2 * size * size))
    strange = rng.random(offsets.shape) < 0.05
    offsets[strange] = rng.choice([np.nan, np.inf, -1e30, 3e9, -1, 4], strange.sum())
    modulation = None
    if rng.integers(2):
        modulation = rng.uniform(size=(*lead, size * size))
    return {
        "features": tf.cast(
            rng.normal(size=(batch, height, width, channels)), dtype
        ).numpy(),
        "offsets": offsets.astype(np.float32),
        "modulation": modulation,
        "size": size,
        "strides": strides,
    }, tolerance


def spoil(rng, call, fault):
    """Makes a call invalid; False where this fault needs what the call has not."""
    if fault == "batch":
        call["offsets"] = np.concatenate(
            [call["offsets"], np.ones_like(call["offsets"])]
        )
        return len(call["features"]) > 0
    if fault == "rows":
        call["offsets"] = np.pad(call["offsets"], [[0, 0], [0, 1], [0, 0], [0, 0]])
    elif fault == "taps":
        call["offsets"] = call["offsets"][..., 1:]
    elif fault == "modulation":
        if call["modulation"] is None:
            return False
        call["modulation"] = call["modulation"][..., 1:]
    elif fault == "rank":
        name = rng.choice(["features", "offsets"])
        call[name] = call[name][..., None]
    elif fault == "size":
        call["size"] = int(rng.choice([-1, 0, 2, 7]))
    else:
        call["strides"] = int(rng.choice([-1, 0]))
    return True


def run(call):
    """Columns, the gradient's weights, gradients of the tensors that there are."""
    tensors = {
        name: tf.constant(call[name])
        for name in ("features", "offsets", "modulation")
        if call[name] is not None
    }
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = deform_columns(**{**call, **tensors}, implementation="compiled")
    weights = tf.cos(tf.reshape(tf.range(tf.size(result)), tf.shape(result)) / 7)
    weights = tf.cast(weights, result.dtype)
    found = tape.gradient(result, tensors, weights)
    return result.numpy(), weights.numpy(), [g.numpy() for g in found.values()]


def fuzz(seed: int, calls: int, compared: int = 10) -> dict:
    """Runs random calls; raises at the first that is wrong.

    Args:
      compared: one call of so many is compared with NumPy.

    Returns:
      How many were valid, invalid and compared.
    """
    counts: collections.Counter = collections.Counter()
    for number in range(calls):
        rng = np.random.default_rng([seed, number])
        call, tolerance = random_call(rng)
        fault = FAULTS[rng.integers(len(FAULTS))] if rng.integers(3) == 0 else None
        if fault and spoil(rng, call, fault):
            counts["invalid"] += 1
            try:
                run(call)
            except (tf.errors.InvalidArgumentError, ValueError):
                continue
            raise AssertionError(f"seed {seed}, call {number}: {fault} is no error")
        if fault:
            call, tolerance = random_call(np.random.default_rng([seed, number]))
        counts["valid"] += 1
        result, weights, found = run(call)
        assert all(np.isfinite(v).all() for v in [result, *found]), (seed, number)
        if number % compared == 0:
            counts["compared"] += 1
            try:
                expected = [columns(**call), *gradients(**call, grad=weights)]
                for got, value in zip([result, *found], expected):
                    # As many terms as taps meet in a cell, or channels in a sum.
                    np.testing.assert_allclose(
                        np.asarray(got, np.float64), value, rtol=tolerance,
                        atol=20 * tolerance,
                    )  # fmt: skip
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, call {number}") from error
    return dict(counts)


if __name__ == "__main__":
    fuzzing.main(fuzz, __doc__)
