"""Random calls of the compiled box-frame masks, valid and not.

    PYTHONPATH=tests:. python tests/fuzz_box_frames.py --calls 5000 --seed 0

Every valid call must give, bit by bit, what the NumPy code gives; every invalid one its
status, with nothing read or written beside the arrays. With a sanitized library see
docs/custom_ops.md.
"""

import collections

import fuzzing
import numpy as np

from tfmask.data import box_frames, transforms
from tfmask.data.coco import segmentation as seg

OK, INVALID = 0, 1
RESOLUTIONS = (2, 3, 7, 28, 56, 112)
FAULTS = (
    "kind",
    "range",
    "short part",
    "part ends",
    "coordinate",
    "run length",
    "box",
    "image size",
    "resolution",
)


def random_outline(rng, height, width) -> np.ndarray:
    """Crossing itself, leaving the image, on the grid, a star, points that repeat."""
    count, kind = int(rng.integers(3, 30)), rng.integers(6)
    longer = max(height, width)
    if kind == 0:
        points = rng.uniform(-8, [width + 8, height + 8], (count, 2))
    elif kind == 1:
        points = rng.uniform(-longer, 2 * longer, (count, 2))
    elif kind == 2:
        angle = np.sort(rng.uniform(0, 2 * np.pi, count))
        radius = rng.uniform(1, longer) * rng.uniform(0.6, 1, count)
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        points += rng.uniform(0, [width, height])
    elif kind == 3:
        points = rng.integers(-2, [width + 3, height + 3], (count, 2))
    elif kind == 4:
        points = rng.integers(0, [width * 10, height * 10], (count, 2)) / 10
    else:
        points = rng.uniform(0, [width, height], (count, 2))
        points[1], points[2] = points[0], points[0] + 0.05
    points = np.clip(points, -longer, 2 * longer).round(int(rng.integers(0, 5)))
    return points.astype(np.float64)


def random_runs(rng, height, width) -> seg.RLE:
    """Of a noisy mask, or of blocks."""
    if rng.integers(2):
        mask = rng.random((height, width)) < rng.choice([0.02, 0.5, 0.98])
    else:
        blocks = rng.random((height // 7 + 1, width // 9 + 1)) < 0.5
        mask = np.kron(blocks, np.ones((7, 9), bool))[:height, :width]
    changes = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8))) + 1
    counts = np.diff([0, *changes, height * width])
    if mask[0, 0]:
        counts = np.concatenate([[0], counts])
    return seg.RLE(counts.astype(np.int32), height, width)


def random_box(rng, segmentation, height, width) -> np.ndarray:
    """Anywhere, of whole pixels, tight, or the whole image."""
    corners = np.sort(rng.uniform(0, [width, height], (2, 2)), 0)
    kind = rng.integers(4)
    if kind == 0:
        corners = np.round(corners)
    elif kind == 1:
        tight = seg.tight_box(segmentation, height, width)
        if tight is not None:
            corners = tight.reshape(2, 2)
    box = np.clip(corners.ravel().astype(np.float32), 0, [width, height] * 2)
    if kind == 2 or not (box[2:] > box[:2]).all():
        box = [0, 0, width, height]
    return np.array(box, np.float32)


def random_image(rng):
    """Arguments of `InstanceMasks`."""
    height, width = np.exp(rng.uniform(np.log(2), np.log(500), 2)).astype(int).tolist()
    segmentations, boxes = [], []
    for _ in range(int(rng.integers(1, 5))):
        if rng.random() < 0.65:
            parts = int(rng.choice([1, 1, 1, 2, 4]))
            outlines = [random_outline(rng, height, width) for _ in range(parts)]
            segmentations.append(seg.Polygons(tuple(outlines)))
        else:
            segmentations.append(random_runs(rng, height, width))
        boxes.append(random_box(rng, segmentations[-1], height, width))
    kept = rng.random(len(boxes)) < 0.9
    return tuple(segmentations), np.array(boxes), kept, height, width


def expected_masks(image, resolution: int, mirrored: bool) -> np.ndarray:
    segmentations, boxes, kept, height, width = image
    masks = np.zeros((len(boxes), resolution, resolution), np.uint8)
    for i in np.flatnonzero(kept):
        masks[i] = transforms.box_frame_mask(
            segmentations[i], height, width, boxes[i], resolution
        )
    return masks[:, :, ::-1] if mirrored else masks


class Call:
    """Arrays and sizes of one call of the library, each of which can be spoiled."""

    def __init__(self, image):
        segmentations, boxes, kept, self.height, self.width = image
        layout, ends, points, counts = [], [], [], []
        for segmentation, is_kept in zip(segmentations, kept):
            if not is_kept:
                layout.append([0, 0, 0])
            elif isinstance(segmentation, seg.Polygons):
                layout.append([1, len(ends), len(ends) + len(segmentation.parts)])
                for part in segmentation.parts:
                    points.extend(part.tolist())
                    ends.append(len(points))
            else:
                layout.append([2, len(counts), len(counts) + len(segmentation.counts)])
                counts.extend(segmentation.counts.tolist())
        self.layout = np.array(layout, np.int64)
        self.part_ends = np.array(ends, np.int64)
        self.points = np.array(points, np.float64).reshape(-1, 2)
        self.counts = np.array(counts, np.int32)
        self.boxes = boxes.copy()

    def run(self, function, resolution: int, mirrored: bool, out: np.ndarray) -> int:
        arrays = self.layout, self.part_ends, self.points, self.counts, self.boxes
        sizes = [len(a) for a in arrays[:4]]
        structure = box_frames._Segmentations(
            *sizes, *(a.ctypes.data for a in arrays), self.height, self.width
        )
        return function(structure, resolution, mirrored, out.ctypes.data)


def spoil(rng, call: Call, fault: str) -> bool:
    """Makes a call invalid; False where this fault needs what the call has not."""
    used = np.flatnonzero(call.layout[:, 0])
    if fault in ("kind", "range", "box") and not len(used):
        return False
    if fault == "kind":
        call.layout[rng.choice(used), 0] = rng.choice([-1, 3, 2**40])
    elif fault == "range":
        at = rng.choice(used)
        wrong = ([-1, 1], [3, 3], [5, 2], [0, 2**40], [-(2**40), 2])
        call.layout[at, 1:] = wrong[rng.integers(len(wrong))]
    elif fault in ("short part", "part ends", "coordinate"):
        if not len(call.part_ends):
            return False
        if fault == "coordinate":
            # One that a kept instance draws.
            bad = rng.choice([np.nan, np.inf, -np.inf, 1e9, -1e300])
            call.points[rng.integers(len(call.points)), rng.integers(2)] = bad
        elif fault == "short part":
            call.part_ends[0] = rng.integers(-2, 3)
        else:
            call.part_ends[-1] = len(call.points) + rng.choice([1, 2**40])
    elif fault == "run length":
        if not len(call.counts):
            return False
        whole = [0, 0, call.width, call.height]
        first = np.flatnonzero(call.layout[:, 0] == 2)[0]
        call.boxes[first] = whole  # so that every run matters
        call.counts[call.layout[first, 1]] = rng.choice([-1, -(2**31)])
    elif fault == "box":
        wrong = ([5, 5, 5, 9], [9, 0, 1, 5], [-1, 0, 5, 5], [0, 0, 1e9, 1])
        wrong += ([np.nan, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 1, np.nan])
        call.boxes[rng.choice(used)] = wrong[rng.integers(len(wrong))]
    elif fault == "image size":
        name = ("height", "width")[rng.integers(2)]
        setattr(call, name, int(rng.choice([-5, 0, 1, 2**30])))
    return True


def fuzz(seed: int, calls: int) -> dict:
    """Runs random calls; raises at the first that is wrong.

    Returns:
      How many were valid and invalid.
    """
    function = box_frames._function()
    if function is None:
        raise RuntimeError("the compiled box-frame masks are not built")
    counts = collections.Counter()
    for number in range(calls):
        rng = np.random.default_rng([seed, number])
        image = random_image(rng)
        call, resolution = Call(image), int(rng.choice(RESOLUTIONS))
        mirrored = bool(rng.integers(2))
        # Bytes before and behind, which must stay as they are.
        size = len(image[1]) * resolution**2
        memory = np.full(size + 64, 77, np.uint8)
        out = memory[32:-32]
        fault = FAULTS[rng.integers(len(FAULTS))] if rng.integers(3) == 0 else None
        if fault == "resolution":
            resolution = int(rng.choice([-1, 0, 1, 2**20]))
        if fault and spoil(rng, call, fault):
            counts["invalid"] += 1
            status = call.run(function, resolution, mirrored, out)
            if status != INVALID:
                raise AssertionError(f"seed {seed}, call {number}: {fault} is no fault")
        else:
            counts["valid"] += 1
            assert call.run(function, resolution, mirrored, out) == OK, (seed, number)
            expected = expected_masks(image, resolution, mirrored)
            np.testing.assert_array_equal(
                out, expected.ravel(), f"seed {seed}, call {number}"
            )
        assert (memory[:32] == 77).all() and (memory[-32:] == 77).all(), (seed, number)
    return dict(counts)


if __name__ == "__main__":
    fuzzing.main(fuzz, __doc__)
