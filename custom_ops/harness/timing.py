"""Times the kernels on proposals of an 800x1333 image, beside a device copy."""

import ctypes
import functools
import statistics

import momentum_cases
import numpy as np
import roi_cases
import roi_reference
from cuda_library import CudaMemory, Launchers
from roi_reference import Case

HEIGHT, WIDTH, CHANNELS = 800, 1333, 256
STRIDES = [4.0, 8.0, 16.0, 32.0]
COPY_BYTES = 1 << 30
REPEATS, RUNS = 20, 7


def proposals(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes with sides of 16 to 600 pixels, evenly in the logarithm."""
    sides = np.exp(rng.uniform(np.log(16), np.log(600), (count, 2)))
    centres = rng.uniform(size=(count, 2)) * [WIDTH, HEIGHT]
    boxes = np.hstack([centres - sides / 2, centres + sides / 2])
    return np.clip(boxes, 0, [WIDTH, HEIGHT] * 2).astype(np.float32)


def around_objects(rng: np.random.Generator, count: int, objects: int) -> np.ndarray:
    """Boxes of which a quarter lies around some objects, as training samples them."""
    targets = proposals(rng, objects)[rng.integers(0, objects, count // 4)]
    moved = targets + rng.normal(0, 0.1, targets.shape) * np.tile(
        targets[:, 2:] - targets[:, :2], 2
    )
    boxes = np.vstack([moved, proposals(rng, count - len(targets))])
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT] * 2).astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    return boxes


def workload(rois: int, size: int, images: int, dtype: str, with_masks: bool) -> Case:
    """Proposals of one image, or the rois of a training step over several."""
    rng = np.random.default_rng(0)
    if images == 1:
        boxes = proposals(rng, rois)
    else:
        each = rois // images
        boxes = np.vstack([around_objects(rng, each, 8) for _ in range(images)])
    # Levels P2 to P5, FPN Eq. 1.
    areas = [(224.0 * 2.0**level) ** 2 for level in (-1, 0, 1)]
    stored = []
    for stride in STRIDES:
        sides = int(np.ceil(HEIGHT / stride)), int(np.ceil(WIDTH / stride))
        values = rng.standard_normal((images, *sides, CHANNELS), np.float32)
        stored.append(roi_reference.to_stored(values, dtype))
    kind = "proposals" if images == 1 else f"a training step of {images} images"
    return Case(
        name=f"{rois} boxes {size}x{size}x{CHANNELS}, {kind}",
        dtype=dtype,
        stored=stored,
        strides=STRIDES,
        boxes=boxes,
        batch_indices=np.repeat(np.arange(images), rois // images).astype(np.int32),
        levels=roi_reference.levels_by_area(boxes, areas),
        masks=rng.uniform(size=(rois, 28, 28)).astype("f4") if with_masks else None,
        size=size,
        sampling_ratio=2,
        aligned=True,
        level_areas=areas,
    )


def compulsory_bytes(case: Case) -> dict[str, int]:
    """What each pass has to read and write at least once."""
    touched = [np.zeros(f.shape[:3], bool) for f in case.stored]
    for m, level in enumerate(case.levels):
        y = roi_reference.axis_of(case, m, 0, 1).cells
        x = roi_reference.axis_of(case, m, 1, 1).cells
        rows, columns = np.hstack(y[:2]), np.hstack(x[:2])
        touched[level][case.batch_indices[m]][np.ix_(rows, columns)] = True
    item = case.stored[0].itemsize
    features = sum(int(t.sum()) for t in touched) * CHANNELS * item
    gradient = sum(f.size for f in case.stored) * item
    pooled = len(case.boxes) * case.size**2 * CHANNELS * item
    masks = 0 if case.masks is None else case.masks.nbytes
    return {
        "forward": features + masks + pooled,
        "backward_features": pooled + masks + gradient,
        "backward_masks": features + pooled + masks,
    }


class Stopwatch:
    """Milliseconds of work on the GPU, by CUDA events."""

    def __init__(self, memory: CudaMemory):
        self._memory = memory
        self._events = [ctypes.c_void_p(), ctypes.c_void_p()]
        for event in self._events:
            memory.call("cudaEventCreate", ctypes.byref(event))

    def __call__(self, work) -> float:
        """Median over RUNS of the mean of REPEATS."""
        work()
        times = []
        for _ in range(RUNS):
            start, end = self._events
            self._memory.call("cudaEventRecord", start, None)
            for _ in range(REPEATS):
                work()
            self._memory.call("cudaEventRecord", end, None)
            self._memory.call("cudaEventSynchronize", end)
            elapsed = ctypes.c_float()
            arguments = ctypes.byref(elapsed), start, end
            self._memory.call("cudaEventElapsedTime", *arguments)
            times.append(elapsed.value / REPEATS)
        return statistics.median(times)


def copy_bandwidth(memory: CudaMemory, watch: Stopwatch) -> float:
    """GB/s of a device-to-device copy, reads and writes counted."""
    source, to = memory.allocate(COPY_BYTES), memory.allocate(COPY_BYTES)
    pointers = ctypes.c_void_p(to), ctypes.c_void_p(source)
    count, stream = ctypes.c_size_t(COPY_BYTES), None
    milliseconds = watch(
        lambda: memory.call("cudaMemcpyAsync", *pointers, count, 3, stream)
    )
    memory.free(source)
    memory.free(to)
    return 2 * COPY_BYTES / milliseconds / 1e6


def cases() -> list[Case]:
    """What is timed."""
    shapes = ((1000, 7, 1), (100, 14, 1), (1024, 7, 2), (256, 14, 2))
    return [
        workload(*shape, dtype, with_masks)
        for shape in shapes
        for with_masks in (False, True)
        for dtype in ("float32", "bfloat16")
    ]


def measure(launchers: Launchers) -> dict:
    """Milliseconds, GB/s of compulsory traffic and the share of the copy's GB/s.

    The gradient of the masks is the difference of two timings: with and without it.
    """
    watch = Stopwatch(launchers.memory)
    copy = copy_bandwidth(launchers.memory, watch)
    rows = []
    for case in cases():
        times = _time(launchers, watch, case)
        traffic = compulsory_bytes(case)
        for name, milliseconds in times.items():
            rows.append(row(case, name, milliseconds, traffic[name], copy))
    return {"copy_gb_per_s": copy, "rows": rows}


def measure_update(library: ctypes.CDLL, memory: CudaMemory) -> dict:
    """The update of a model's weights: milliseconds, GB/s of compulsory traffic.

    Gradients are read twice, weights and velocities read and written.
    """
    case = momentum_cases.of_resnet_50()
    run, _ = momentum_cases.prepare(library, memory, case)
    milliseconds = Stopwatch(memory)(run)
    memory.release()
    traffic = 24 * sum(w.size for w in case.weights)
    return {"milliseconds": milliseconds, "gb_per_s": traffic / milliseconds / 1e6}


def _time(launchers: Launchers, watch: Stopwatch, case: Case) -> dict[str, float]:
    grad_out = roi_cases.gradient_for(case)
    forward, backward, _ = launchers.upload(case, grad_out)
    times = {
        "forward": watch(forward),
        "backward_features": watch(functools.partial(backward, to_masks=False)),
    }
    if case.masks is not None:
        times["backward_masks"] = watch(backward) - times["backward_features"]
    launchers.memory.release()
    return times


def row(case: Case, name: str, milliseconds: float, traffic: int, copy: float) -> dict:
    """A line of the report."""
    rate = traffic / milliseconds / 1e6
    return {
        "case": case.name,
        "dtype": case.dtype,
        "masks": case.masks is not None,
        "pass": name,
        "milliseconds": milliseconds,
        "gb_per_s": rate,
        "share_of_copy": rate / copy,
    }


def table(report: dict) -> str:
    """The rows as text."""
    lines = [f"device copy: {report['copy_gb_per_s']:.0f} GB/s"]
    for entry in report["rows"]:
        masks = "masks" if entry["masks"] else ""
        lines.append(
            f"{entry['case']:55} {entry['dtype']:8} {masks:5} {entry['pass']:45} "
            f"{entry['milliseconds']:7.3f} ms {entry['share_of_copy']:4.0%}"
        )
    return "\n".join(lines)
