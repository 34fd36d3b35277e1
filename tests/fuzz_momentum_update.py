"""Random calls of the compiled update of all weights, valid and not.

    PYTHONPATH=tests:custom_ops/harness python tests/fuzz_momentum_update.py

Every valid call must give what the NumPy equations give, every invalid one an error of
Python that changes nothing. With a sanitized library see docs/custom_ops.md.
"""

import collections
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fuzzing
import momentum_calls
import momentum_cases
import numpy as np
import tensorflow as tf

from tfmask.ops.momentum_update import momentum_update

FAULTS = ("shape", "twice", "type", "settings", "clip_norm", "rate", "missing")


def spoil(rng, call, fault):
    """Makes arguments invalid."""
    i = rng.integers(len(call["weights"]))
    if fault == "shape":
        call["gradients"][i] = call["gradients"][i][None]
    elif fault == "twice":
        call["velocities"][i] = call["weights"][i]
    elif fault == "type":
        call["weights"][i] = tf.Variable(tf.zeros(call["weights"][i].shape, tf.float64))
    elif fault == "settings":
        name = rng.choice(["decays", "factors"])
        call[name] = call[name][1:]
    elif fault == "clip_norm":
        call["clip_norm"] = -0.5
    elif fault == "rate":
        call[rng.choice(["rate", "loss_scale"])] = tf.zeros(rng.choice([0, 2]))
    else:
        del call["gradients"][i]


def fuzz(seed: int, calls: int) -> dict:
    """Runs random calls; raises at the first that is wrong.

    Returns:
      How many were valid, invalid and compared.
    """
    counts: collections.Counter = collections.Counter()
    for number in range(calls):
        rng = np.random.default_rng([seed, number])
        case = momentum_cases.random_case(int(rng.integers(1 << 30)))
        try:
            if rng.integers(3) == 0:
                counts["invalid"] += 1
                refused(rng, case, FAULTS[rng.integers(len(FAULTS))])
                continue
            counts["valid"] += 1
            counts["compared"] += 1
            found = momentum_calls.run(case)
            momentum_cases.compare(found, momentum_cases.update(case))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, call {number}: {error}") from error
    return dict(counts)


def refused(rng, case, fault) -> None:
    """AssertionError where an invalid call is none, or changes a weight."""
    weights, velocities = momentum_calls.variables(case)
    call = momentum_calls.arguments(case, list(weights), list(velocities))
    spoil(rng, call, fault)
    try:
        momentum_update(**call)
    except (tf.errors.InvalidArgumentError, ValueError):
        pass
    else:
        raise AssertionError(f"{fault} is no error")
    for variable, value in zip(weights + velocities, case.weights + case.velocities):
        np.testing.assert_array_equal(variable, value, err_msg=fault)


if __name__ == "__main__":
    fuzzing.main(fuzz, __doc__)
