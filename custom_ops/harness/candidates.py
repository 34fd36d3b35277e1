"""Times the candidates for the gradient of the features, beside the one in use."""

import ctypes
import functools

import numpy as np
import roi_cases
import roi_reference
import timing
from cuda_library import DTYPES, Launchers

FLAG = "-DTFMASK_CANDIDATES"


class Candidates:
    """The launchers' candidates; see candidates_gpu.cuh."""

    def __init__(self, launchers: Launchers):
        self.launchers = launchers
        self._launch = launchers.library.tfmask_shape_aware_roi_align_candidate
        self.names = []
        name = ctypes.c_char_p()
        nothing = [None, 0, None, None, None, None, None, None]
        while not self._launch(len(self.names), ctypes.byref(name), *nothing):
            self.names.append(name.value.decode())

    def upload(self, case, grad_out):
        """`(run(index) -> CUDA error, pointers)`."""
        *_, pointers = self.launchers.upload(case, grad_out)
        void = ctypes.c_void_p
        params, inputs = pointers["params"], pointers["inputs"]
        grad = void(pointers["grad_out"])

        def run(index):
            return self._launch(
                index,
                ctypes.byref(ctypes.c_char_p()),
                ctypes.byref(params),
                DTYPES[case.dtype],
                *map(void, inputs),
                grad,
                None,
            )

        return run, pointers

    def check(self, index: int, case) -> bool:
        """Compares one with NumPy; False where it does not take the type."""
        grad_out = roi_cases.gradient_for(case)
        run, pointers = self.upload(case, grad_out)
        if run(index):
            self.launchers.memory.release()
            return False
        got = [self.launchers.memory.download(g) for g in pointers["grad_features"]]
        expected, _ = roi_reference.gradients(case, grad_out)
        for level, wanted in enumerate(expected):
            wide = roi_reference.widen(got[level], case.dtype)
            roi_cases.difference(self.names[index], wide, wanted, case.dtype)
        self.launchers.memory.release()
        return True


def check_all(launchers: Launchers, count: int) -> None:
    """Compares all with NumPy; AssertionError where one is wrong."""
    candidates = Candidates(launchers)
    for index in range(len(candidates.names)):
        for seed in range(count):
            dtype = ("float32", "bfloat16")[seed % 2]
            candidates.check(index, case(seed, dtype, seed % 4 < 2))


def measure(launchers: Launchers, copy: float) -> list[dict]:
    """Rows as `timing.measure` has them."""
    candidates = Candidates(launchers)
    watch = timing.Stopwatch(launchers.memory)
    rows = []
    for case in timing.cases():
        run, _ = candidates.upload(case, roi_cases.gradient_for(case))
        traffic = timing.compulsory_bytes(case)["backward_features"]
        for index, name in enumerate(candidates.names):
            if run(index) == 0:
                time = watch(functools.partial(run, index))
                rows.append(timing.row(case, name, time, traffic, copy))
        launchers.memory.release()
    return rows


def case(seed: int, dtype: str, with_masks: bool):
    """A small call that the candidates take: channels in eights."""
    rng = np.random.default_rng(seed)
    masks = rng.uniform(size=(6, 5, 7)).astype(np.float32) if with_masks else None
    return roi_cases.random_case(
        seed, rois=6, channels=int(rng.choice([8, 64, 264])), dtype=dtype, masks=masks
    )
