"""Times the kernels on proposals of an 800x1333 image, beside a device copy."""

import ctypes
import statistics

import numpy as np
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


def workload(rois: int, size: int, dtype: str, with_masks: bool) -> Case:
    rng = np.random.default_rng(0)
    boxes = proposals(rng, rois)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    levels = np.clip(np.floor(4 + np.log2(np.sqrt(area) / 224 + 1e-8)), 2, 5) - 2
    stored = []
    for stride in STRIDES:
        shape = (1, int(np.ceil(HEIGHT / stride)), int(np.ceil(WIDTH / stride)))
        values = rng.standard_normal((*shape, CHANNELS), np.float32)
        stored.append(
            roi_reference.to_bfloat16(values)
            if dtype == "bfloat16"
            else values.astype(dtype)
        )
    return Case(
        name=f"{rois} boxes {size}x{size}x{CHANNELS}",
        dtype=dtype,
        stored=stored,
        strides=STRIDES,
        boxes=boxes,
        batch_indices=np.zeros(rois, np.int32),
        levels=levels.astype(np.int32),
        masks=rng.uniform(size=(rois, 28, 28)).astype("f4") if with_masks else None,
        size=size,
        sampling_ratio=2,
        aligned=True,
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
    wide = 8 if case.dtype == "float64" else 4
    features = sum(int(t.sum()) for t in touched) * CHANNELS * item
    gradient = sum(f.size for f in case.stored) * wide
    pooled = len(case.boxes) * case.size**2 * CHANNELS * wide
    masks = 0 if case.masks is None else case.masks.size * wide
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


def measure(launchers: Launchers) -> dict:
    """Milliseconds, GB/s of compulsory traffic and the share of the copy's GB/s.

    The gradient of the masks is the difference of two timings: with and without it.
    """
    watch = Stopwatch(launchers.memory)
    copy = copy_bandwidth(launchers.memory, watch)
    rows = []
    for rois, size in ((1000, 7), (100, 14)):
        for with_masks in (False, True):
            for dtype in ("float32", "bfloat16"):
                case = workload(rois, size, dtype, with_masks)
                rows += _measure_case(launchers, watch, case, copy)
    return {"copy_gb_per_s": copy, "rows": rows}


def _measure_case(launchers, watch, case, copy) -> list[dict]:
    shape = (len(case.boxes), case.size, case.size, CHANNELS)
    grad_out = np.random.default_rng(1).standard_normal(shape, np.float32)
    forward, backward, _ = launchers.upload(case, grad_out)
    times = {
        "forward": watch(forward),
        "backward_features": watch(lambda: backward(False, to_masks=False)),
        "backward_features_deterministic": watch(
            lambda: backward(True, to_masks=False)
        ),
    }
    if case.masks is not None:
        both = watch(lambda: backward(False))
        times["backward_masks"] = both - times["backward_features"]
    launchers.memory.release()
    traffic = compulsory_bytes(case)
    rows = []
    for name, milliseconds in times.items():
        rate = traffic[name.removesuffix("_deterministic")] / milliseconds / 1e6
        rows.append(
            {
                "case": case.name,
                "dtype": case.dtype,
                "masks": case.masks is not None,
                "pass": name,
                "milliseconds": milliseconds,
                "gb_per_s": rate,
                "share_of_copy": rate / copy,
            }
        )
    return rows
