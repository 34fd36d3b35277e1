"""Calls of the update of all weights, and its equations in NumPy.

`ROOT/momentum_update/kernel_gpu.h` says what the launcher does.
"""

import ctypes
from typing import NamedTuple

import numpy as np
from cuda_library import HarnessError

_ROUNDING = 1e-6  # a few roundings of numbers of order one


class Case:
    """Arrays of a call, drawn.

    Args:
      shapes: of the weights.
      seed: of the draws.
      loss_scale, rate, momentum, nesterov, clip_norm, decays, factors: as in
        `tfmask.ops.momentum_update`.
    """

    def __init__(self, shapes, seed=0, *, loss_scale=1.0, rate=0.3, **settings):
        rng = np.random.default_rng(seed)

        def draw(scale=1.0):
            return [np.float32(scale * rng.normal(size=shape)) for shape in shapes]

        self.weights, self.velocities = draw(), draw()
        self.gradients = draw(loss_scale)
        self.values = np.arange(3, dtype=np.float32)
        self.loss_scale, self.rate = loss_scale, rate
        self.settings = {
            "momentum": 0.9,
            "nesterov": False,
            "clip_norm": 0.0,
            "decays": [1e-2] * len(shapes),
            "factors": [1.0] * len(shapes),
            **settings,
        }


class Result(NamedTuple):
    norms: np.ndarray
    finite: bool
    weights: list[np.ndarray]
    velocities: list[np.ndarray]


def update(case: Case) -> Result:
    """One step in float64."""
    settings = case.settings
    gradients = [g.astype(np.float64) / case.loss_scale for g in case.gradients]
    norms = np.array([0.5 * np.square(g).sum() for g in gradients])
    if not (np.isfinite(norms).all() and np.isfinite(case.values).all()):
        return Result(norms, False, case.weights, case.velocities)
    clip, norm = settings["clip_norm"], np.sqrt(2 * norms.sum())
    momentum, rate = settings["momentum"], case.rate
    weights, velocities = [], []
    for g, w, v, decay, factor in zip(
        gradients,
        case.weights,
        case.velocities,
        settings["decays"],
        settings["factors"],
    ):
        g = (g * (clip / max(norm, clip) if clip else 1) + decay * w) * factor
        velocity = momentum * v - rate * g
        ahead = momentum * velocity - rate * g
        weights.append(w + (ahead if settings["nesterov"] else velocity))
        velocities.append(velocity)
    return Result(norms, True, weights, velocities)


def random_case(seed: int) -> Case:
    """Some weights of any size, sometimes with what is not finite."""
    rng = np.random.default_rng([seed, 1])
    count = int(rng.choice([1, 3, 8, 100], p=[0.3, 0.5, 0.19, 0.01]))
    sizes = rng.integers(0, rng.choice([5, 300, 40000], size=count))
    case = Case(
        [(int(n),) for n in sizes],
        seed,
        loss_scale=float(rng.choice([1.0, 4096.0])),
        nesterov=bool(rng.integers(2)),
        clip_norm=float(rng.choice([0.0, 0.1, 1e4])),
        decays=rng.choice([0.0, 1e-4, 0.1], size=count).tolist(),
        factors=rng.choice([1.0, 2.0], size=count).tolist(),
    )
    if rng.integers(4) == 0:
        spoiled = case.gradients[rng.integers(count)]
        if rng.integers(2) or not spoiled.size:
            spoiled = case.values
        spoiled[rng.integers(spoiled.size)] = rng.choice([np.nan, np.inf, -np.inf])
    return case


def compare(found: Result, expected: Result) -> None:
    """AssertionError where a result is not that of the equations."""
    assert found.finite == expected.finite, "finite"
    np.testing.assert_allclose(found.norms, expected.norms, rtol=2 * _ROUNDING)
    for name in ("weights", "velocities"):
        for i, pair in enumerate(zip(getattr(found, name), getattr(expected, name))):
            np.testing.assert_allclose(
                *pair, rtol=_ROUNDING, atol=_ROUNDING, err_msg=f"{name}[{i}]"
            )


def of_resnet_50() -> Case:
    """84 weights of 44 million numbers in all, as Mask R-CNN with R50-FPN trains."""
    large = [(1024 * 1024,)] * 40 + [(256 * 256,)] * 20 + [(256,)] * 24
    return Case(large, decays=[1e-4] * len(large))


class _Update(ctypes.Structure):
    """TfmaskUpdate."""

    _fields_ = [
        ("count", ctypes.c_int32),
        ("gradients", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("velocities", ctypes.c_void_p),
        ("sizes", ctypes.c_void_p),
        ("decays", ctypes.c_void_p),
        ("factors", ctypes.c_void_p),
        ("momentum", ctypes.c_float),
        ("clip_norm", ctypes.c_float),
        ("nesterov", ctypes.c_int32),
        ("rate", ctypes.c_void_p),
        ("loss_scale", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("num_values", ctypes.c_int64),
        ("norms", ctypes.c_void_p),
        ("finite", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
    ]


def prepare(library: ctypes.CDLL, memory, case: Case):
    """Copies a case to the device; `memory`: of cuda_library.

    Returns:
      `(run, result)`: functions that launch, and that give what is there then.
    """
    arrays = (case.gradients, case.weights, case.velocities)
    pointers = [[memory.upload(a) for a in group] for group in arrays]
    sizes = np.array([w.size for w in case.weights], np.int64)
    scratch = library.tfmask_momentum_update_scratch
    scratch.restype = ctypes.c_int64
    size = scratch(len(sizes), sizes.ctypes.data_as(ctypes.c_void_p))
    # Scratch and results begin as what no result is.
    norms = memory.upload(np.full(len(sizes), np.nan, np.float32))
    finite = memory.upload(np.full(1, 7, np.uint8))
    on_host = [
        *(np.array(group, np.uint64) for group in pointers),
        sizes,
        np.array(case.settings["decays"], np.float32),
        np.array(case.settings["factors"], np.float32),
    ]
    call = _Update(
        len(sizes),
        *(array.ctypes.data for array in on_host),
        case.settings["momentum"],
        case.settings["clip_norm"],
        case.settings["nesterov"],
        memory.upload(np.array([case.rate], np.float32)),
        memory.upload(np.array([case.loss_scale], np.float32)),
        memory.upload(case.values),
        len(case.values),
        norms,
        finite,
        memory.upload(np.full(size // 8 + 2, np.nan)),
    )

    def run():
        # The arrays on the host live as long as this function.
        assert len(on_host) == 6
        status = library.tfmask_momentum_update(ctypes.byref(call), None)
        if status:
            raise HarnessError(f"tfmask_momentum_update: CUDA error {status}")

    def result() -> Result:
        flag = int(memory.download(finite)[0])
        assert flag in (0, 1), f"finite is {flag}"
        groups = [[memory.download(p) for p in group] for group in pointers[1:]]
        return Result(memory.download(norms), bool(flag), *groups)

    return run, result


def launch(library: ctypes.CDLL, memory, case: Case) -> Result:
    """Runs a case by the launcher.

    Raises:
      HarnessError: the launcher returned an error.
    """
    try:
        run, result = prepare(library, memory, case)
        run()
        return result()
    finally:
        memory.release()


def check(library: ctypes.CDLL, memory, case: Case, between=lambda: None) -> None:
    """Compares a launch with the equations, and two launches bit by bit.

    Args:
      between: called between the two, e.g. to change the order of threads.

    Raises:
      AssertionError: a result is wrong.
    """
    first = launch(library, memory, case)
    compare(first, update(case))
    between()
    second = launch(library, memory, case)
    np.testing.assert_array_equal(first.norms, second.norms)
    for name in ("weights", "velocities"):
        for pair in zip(getattr(first, name), getattr(second, name)):
            np.testing.assert_array_equal(*pair, err_msg=f"{name} of two runs")
