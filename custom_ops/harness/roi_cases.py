"""Calls to check the kernels with, and the check."""

import numpy as np
import roi_reference
from roi_reference import Case

# Of the sums, relative to the largest value of a result.
TOLERANCES = {"float64": 1e-12, "float32": 8e-6, "float16": 8e-6, "bfloat16": 8e-6}
# Of rounding a sum to the stored type, relative to the sum; and below normal numbers.
ROUNDING = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 0.0)}


def _boxes(rng: np.random.Generator, count: int, width: float, height: float):
    """Inside, across the border, outside, without area, on the grid, not finite."""
    extent = np.array([width, height] * 2)
    first = rng.uniform(-0.3, 1.0, (count, 2))
    boxes = np.hstack([first, first + rng.uniform(0, 1, (count, 2))]) * extent
    kind = rng.integers(0, 12, count)
    boxes[kind == 0, 2:] = boxes[kind == 0, :2]
    boxes[kind == 1, 2] = boxes[kind == 1, 0] - 3.0
    boxes[kind == 2] = np.round(boxes[kind == 2] / 4) * 4
    boxes[kind == 3] += 3 * extent
    boxes[kind == 4] = extent * [-4, -4, 5, 5]
    boxes[kind == 5] = extent * [0, 0, 1, 1]
    special = rng.choice([np.nan, np.inf, -np.inf, 1e30], (count, 4))
    boxes[kind == 6] = special[kind == 6]
    return boxes.astype(np.float32)


def random_case(
    seed: int, rois: int | None = None, channels: int | None = None, **fixed
) -> Case:
    """A small call; `fixed` sets fields of `Case`."""
    rng = np.random.default_rng(seed)
    batch, levels = rng.integers(1, 4), rng.integers(1, 5)
    if rois is None:
        rois = int(rng.integers(1, 9))
    if channels is None:
        channels = int(rng.choice([1, 3, 4, 12, 64, 68, 132, 260]))
    dtype = fixed.pop(
        "dtype", rng.choice(["float32", "float64", "float16", "bfloat16"])
    )
    height, width = rng.integers(1, 25, 2)
    features = []
    for level in range(levels):
        shape = (batch, max(height >> level, 1), max(width >> level, 1), channels)
        features.append(roi_reference.to_stored(rng.normal(size=shape), str(dtype)))
    sides = [None, (1, 1), (28, 28), tuple(rng.integers(1, 12, 2))][rng.integers(0, 4)]
    masks = None if sides is None else rng.uniform(size=(rois, *sides))
    values = dict(
        name=f"seed {seed}",
        dtype=str(dtype),
        stored=features,
        strides=[4.0 * 2**level for level in range(levels)],
        boxes=_boxes(rng, rois, 4.0 * width, 4.0 * height),
        batch_indices=rng.integers(0, batch, rois).astype(np.int32),
        levels=rng.integers(0, levels, rois).astype(np.int32),
        masks=masks if masks is None else masks.astype(np.float32),
        size=int(rng.integers(1, 8)),
        sampling_ratio=int(rng.integers(0, 5)),
        aligned=bool(rng.integers(0, 2)),
        inclusive=bool(rng.integers(0, 2)),
    )
    case = Case(**{**values, **fixed})
    if rng.integers(0, 2) and "levels" not in fixed:
        areas = (2.0 * np.sqrt(width * height) * 2.0 ** np.arange(levels - 1)) ** 2
        case.level_areas = areas.tolist()
        case.levels = roi_reference.levels_by_area(case.boxes, case.level_areas)
    return case


def special_cases() -> list[Case]:
    """Calls that reach what random ones rarely do."""
    no_area = np.zeros((2, 4), np.float32)
    bad = np.array([-1, 0, 99, 0, 2**31 - 1, -(2**31)], np.int32)
    cases = [
        random_case(1000, name="no boxes", rois=0),
        random_case(
            1001, name="no boxes with masks", rois=0, masks=np.zeros((0, 5, 4))
        ),
        random_case(1002, name="no channels", channels=0),
        random_case(1003, name="no area at all", rois=2, boxes=no_area),
        random_case(1004, name="image out of range", rois=6, batch_indices=bad),
        random_case(1005, name="level out of range", rois=6, levels=bad),
        # More boxes near a tile than a block holds at once.
        random_case(1006, name="300 boxes", rois=300, channels=4, size=2, masks=None),
        # More boxes than a block looks through at once.
        random_case(
            1011,
            name="2100 small boxes",
            rois=2100,
            channels=1,
            size=1,
            sampling_ratio=1,
            masks=None,
        ),
        # More bins than a warp weighs at once, and more pairs of them than it lists.
        random_case(
            1012, name="20x20 bins", rois=3, channels=12, size=20, sampling_ratio=1
        ),
        # More samples than the tables hold, and than a tile of the mask gradient.
        random_case(
            1007,
            name="dense samples",
            dtype="float32",
            rois=1,
            stored=[np.random.default_rng(1).normal(size=(1, 9, 5, 4)).astype("f4")],
            strides=[4.0],
            boxes=np.array([[-2, -50, 24, 90]], np.float32),
            batch_indices=np.zeros(1, np.int32),
            levels=np.zeros(1, np.int32),
            size=3,
            sampling_ratio=40,
            masks=np.random.default_rng(1).uniform(size=(1, 28, 20)),
        ),
        # 4096 samples per bin, of which the map sees a few.
        random_case(
            1008,
            name="a box of a million pixels",
            dtype="float32",
            rois=2,
            channels=4,
            size=2,
            sampling_ratio=0,
            boxes=np.array([[-1e6] * 2 + [1e6] * 2, [-9e5, 3, 1e6, 9]], np.float32),
            masks=np.random.default_rng(2).uniform(size=(2, 3, 50)),
        ),
    ]
    # Samples exactly one cell beside the map, which still read the border.
    edge = np.array([[-8, -8, 0, 0], [0, 0, 8, 8]], np.float32) + 2
    image = np.ones((1, 2, 2, 3))
    cases.append(
        random_case(
            1009,
            name="samples at the edge of the border",
            dtype="float64",
            rois=2,
            stored=[image],
            strides=[4.0],
            boxes=edge,
            batch_indices=np.zeros(2, np.int32),
            levels=np.zeros(2, np.int32),
            size=2,
            sampling_ratio=1,
            aligned=True,
        )
    )
    image = np.random.default_rng(3).normal(size=(1, 9, 9, 8)).astype(np.float32)
    image[0, 3, 4] = np.nan
    image[0, 7, 1, 2] = np.inf
    cases.append(
        random_case(
            1010,
            name="features that are not finite",
            dtype="float32",
            rois=1,
            stored=[image],
            boxes=np.array([[0, 0, 36, 36]], np.float32),
            strides=[4.0],
            batch_indices=np.zeros(1, np.int32),
            levels=np.zeros(1, np.int32),
            masks=np.random.default_rng(4).uniform(size=(1, 6, 6)),
            size=7,
            sampling_ratio=1,
        )
    )
    return cases


def difference(name: str, got: np.ndarray, expected: np.ndarray, dtype: str) -> float:
    """Largest difference relative to the largest value; AssertionError if too large."""
    finite = np.isfinite(expected)
    if not np.array_equal(np.isfinite(got), finite):
        raise AssertionError(f"{name}: not finite where the reference is, or otherwise")
    if not finite.any():
        return 0.0
    got, expected = got[finite], expected[finite]
    relative, absolute = ROUNDING.get(dtype, (0.0, 0.0))
    beyond = np.abs(got - expected) - relative * np.abs(expected) - absolute
    difference = max(beyond.max(), 0.0) / max(np.abs(expected).max(), 1.0)
    if difference > TOLERANCES[dtype]:
        raise AssertionError(f"{name}: differs by {difference:.2g}")
    return float(difference)


def _same_bits(name: str, first: np.ndarray, second: np.ndarray) -> None:
    if first.tobytes() != second.tobytes():
        raise AssertionError(f"{name}: two runs have different bits")


def gradient_for(case: Case, seed: int = 5) -> np.ndarray:
    """Random gradient of the pooled boxes, of numbers that the stored type has."""
    shape = (len(case.boxes), case.size, case.size, case.stored[0].shape[-1])
    # Bits as float32 has, so that the reference sees the same gradient.
    values = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return roi_reference.widen(
        roi_reference.to_stored(values, case.dtype), case.dtype
    ).astype(np.float32)


def check(launchers, case: Case, between=lambda: None) -> dict[str, float]:
    """Compares a call with NumPy, and two runs with each other.

    Args:
      between: called between the two runs, e.g. to change the order of threads.

    Returns:
      Relative differences, beyond the rounding of a stored type: forward,
      grad_features, grad_masks.

    Raises:
      AssertionError: a result is wrong; the message names the case.
    """
    grad_out = gradient_for(case)
    differences = {}
    try:
        out = launchers.pool(case)
        differences["forward"] = difference(
            "out",
            roi_reference.widen(out, case.dtype),
            roi_reference.pool(case),
            case.dtype,
        )
        by_feature, by_mask = launchers.gradients(case, grad_out)
        expected_features, expected_masks = roi_reference.gradients(case, grad_out)
        differences["grad_features"] = max(
            difference(
                f"grad_features[{level}]",
                roi_reference.widen(got, case.dtype),
                expected,
                case.dtype,
            )
            for level, (got, expected) in enumerate(zip(by_feature, expected_features))
        )
        if by_mask is not None:
            wide = "float64" if case.dtype == "float64" else "float32"
            differences["grad_masks"] = difference(
                "grad_masks", by_mask, expected_masks, wide
            )
        between()
        _same_bits("out", out, launchers.pool(case))
        again_features, again_masks = launchers.gradients(case, grad_out)
        for level, (first, second) in enumerate(zip(by_feature, again_features)):
            _same_bits(f"grad_features[{level}]", first, second)
        if by_mask is not None:
            _same_bits("grad_masks", by_mask, again_masks)
    except AssertionError as error:
        raise AssertionError(f"{case.name} ({case.dtype}): {error}") from None
    return differences
