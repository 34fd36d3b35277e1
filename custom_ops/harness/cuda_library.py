"""The launchers as libraries: built for a GPU or for the emulation, and called.

`ROOT/shape_aware_roi_align/kernel_gpu.h` says what those of RoIAlign do.
"""

import ctypes
import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import roi_reference

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "shape_aware_roi_align" / "kernel_gpu.cu"
MOMENTUM_KERNEL = ROOT / "momentum_update" / "kernel_gpu.cu"
EMULATION = ROOT / "harness" / "emulation"
MAX_LEVELS = 8
DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 3}


class HarnessError(RuntimeError):
    """A build or a CUDA call failed; the message says how."""


class Params(ctypes.Structure):
    """TfmaskRoiParams."""

    _fields_ = [
        ("features", ctypes.c_void_p * MAX_LEVELS),
        ("grad_features", ctypes.c_void_p * MAX_LEVELS),
        ("heights", ctypes.c_int32 * MAX_LEVELS),
        ("widths", ctypes.c_int32 * MAX_LEVELS),
        ("strides", ctypes.c_float * MAX_LEVELS),
        ("level_areas", ctypes.c_float * MAX_LEVELS),
        ("num_levels", ctypes.c_int32),
        ("batch", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("num_rois", ctypes.c_int32),
        ("size", ctypes.c_int32),
        ("mask_height", ctypes.c_int32),
        ("mask_width", ctypes.c_int32),
        ("sampling_ratio", ctypes.c_int32),
        ("aligned", ctypes.c_int32),
        ("inclusive", ctypes.c_int32),
    ]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{done.stderr}")


def build_emulation(library: Path, kernel: Path = KERNEL) -> Path:
    """Compiles kernels and emulation by $CXX or g++; no CUDA is needed."""
    flags = ["-O2", "-std=c++17", "-fPIC", "-shared", "-Wall"]
    flags += ["-Wno-unknown-pragmas"]
    # The emulation jumps between stacks, which the fortified longjmp refuses.
    flags += ["-ffp-contract=off", "-U_FORTIFY_SOURCE", f"-I{EMULATION}", "-x", "c++"]
    sources = [str(kernel), str(EMULATION / "emulation.cc")]
    _run([os.environ.get("CXX", "g++"), *flags, *sources, "-o", str(library)])
    return library


def toolkit() -> Path:
    """Folder of the CUDA toolkit whose nvcc is on the PATH."""
    command = ["nvcc", "--dryrun", str(KERNEL)]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    top = re.search(r"TOP=(.+)", said)
    return Path(top[1]).resolve() if top else Path(shutil.which("nvcc")).parents[1]


def build_cuda(
    library: Path, capability: tuple[int, int], kernel: Path = KERNEL
) -> Path:
    """Compiles the kernels by nvcc for a GPU of this compute capability."""
    libraries = toolkit() / "lib64"
    arch = "".join(map(str, capability))
    command = ["nvcc", "-O3", "-std=c++17", "-shared", "-Xcompiler", "-fPIC"]
    command += ["-gencode", f"arch=compute_{arch},code=sm_{arch}"]
    # Shared: the harness allocates and times with the runtime of the library.
    command += ["-cudart", "shared", "-Xlinker", f"-rpath,{libraries}"]
    _run([*command, str(kernel), "-o", str(library)])
    return library


class HostMemory:
    """ "Device" memory of the emulation: NumPy arrays."""

    def __init__(self):
        self._arrays = {}

    def upload(self, array: np.ndarray) -> int:
        array = np.array(array, order="C")
        self._arrays[array.ctypes.data] = array
        return array.ctypes.data

    def download(self, pointer: int) -> np.ndarray:
        return self._arrays[pointer]

    def release(self) -> None:
        self._arrays.clear()


class CudaMemory:
    """Memory of the GPU by the CUDA runtime that the library is linked to."""

    def __init__(self, library: ctypes.CDLL):
        self._library = library
        self._arrays = {}

    def call(self, name: str, *arguments) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise HarnessError(f"{name}: {self.error_text(status)}")

    def error_text(self, status: int) -> str:
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        return self._library.cudaGetErrorString(status).decode()

    def allocate(self, count: int) -> int:
        pointer = ctypes.c_void_p()
        self.call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(max(count, 16)))
        return pointer.value

    def upload(self, array: np.ndarray) -> int:
        array = np.array(array, order="C")
        pointer = self.allocate(array.nbytes)
        self._copy(pointer, array.ctypes.data, array.nbytes, 1)
        self._arrays[pointer] = array
        return pointer

    def download(self, pointer: int) -> np.ndarray:
        array = np.empty_like(self._arrays[pointer])
        self._copy(array.ctypes.data, pointer, array.nbytes, 2)
        return array

    def _copy(self, to: int, source: int, count: int, kind: int) -> None:
        pointers = ctypes.c_void_p(to), ctypes.c_void_p(source)
        self.call("cudaMemcpy", *pointers, ctypes.c_size_t(count), kind)

    def free(self, pointer: int) -> None:
        self.call("cudaFree", ctypes.c_void_p(pointer))

    def release(self) -> None:
        for pointer in self._arrays:
            self.free(pointer)
        self._arrays.clear()


class Launchers:
    """Both launchers over one kind of memory."""

    def __init__(self, library: ctypes.CDLL, memory):
        self.library, self.memory = library, memory

    def upload(self, case, grad_out=None):
        """Copies a case to the device.

        Returns:
          `(forward, backward, pointers)`: functions that launch, and where the results
          are. Results start as NaN, so that an element never written is seen.
        """
        memory, params = self.memory, Params()
        wide = np.float64 if case.dtype == "float64" else np.float32

        def result(shape, dtype=case.dtype):
            empty = np.full(shape, np.nan)
            return memory.upload(roi_reference.to_stored(empty, dtype))

        for level, stored in enumerate(case.stored):
            params.features[level] = memory.upload(stored)
            _, params.heights[level], params.widths[level], _ = stored.shape
            params.strides[level] = case.strides[level]
        params.num_levels = len(case.stored)
        params.batch, _, _, params.channels = case.stored[0].shape
        params.num_rois, params.size = len(case.boxes), case.size
        params.sampling_ratio, params.aligned = case.sampling_ratio, case.aligned
        params.inclusive = case.inclusive
        inputs = [memory.upload(case.boxes), memory.upload(case.batch_indices)]
        if case.level_areas is None:
            inputs.append(memory.upload(case.levels))
        else:
            params.level_areas[: len(case.level_areas)] = case.level_areas
            inputs.append(None)
        inputs.append(None)
        pointers = {"grad_masks": None, "params": params, "inputs": inputs}
        if case.masks is not None:
            _, params.mask_height, params.mask_width = case.masks.shape
            inputs[-1] = memory.upload(case.masks.astype(wide))
            pointers["grad_masks"] = result(case.masks.shape, wide)
        shape = (params.num_rois, case.size, case.size, params.channels)
        pointers["out"] = result(shape)
        if grad_out is not None:
            stored = roi_reference.to_stored(grad_out, case.dtype)
            pointers["grad_out"] = memory.upload(stored)
            pointers["grad_features"] = [result(f.shape) for f in case.stored]
            params.grad_features[: len(case.stored)] = pointers["grad_features"]
        void = ctypes.c_void_p
        head = [ctypes.byref(params), DTYPES[case.dtype], *map(void, inputs)]

        def forward():
            self._launch("forward", *head, void(pointers["out"]), None)

        def backward(to_masks: bool = True):
            masks = void(pointers["grad_masks"] if to_masks else None)
            grad = void(pointers["grad_out"])
            self._launch("backward", *head, grad, masks, None)

        return forward, backward, pointers

    def _launch(self, name: str, *arguments) -> None:
        name = f"tfmask_shape_aware_roi_align_{name}"
        status = getattr(self.library, name)(*arguments)
        if status:
            raise HarnessError(f"{name} returned the CUDA error {status}")

    def pool(self, case) -> np.ndarray:
        """The pooled boxes as they are stored."""
        forward, _, pointers = self.upload(case)
        forward()
        out = self.memory.download(pointers["out"])
        self.memory.release()
        return out

    def gradients(self, case, grad_out):
        """Stored gradients: of the features of each level, and of the masks or None."""
        _, backward, pointers = self.upload(case, grad_out)
        backward()
        features = [self.memory.download(g) for g in pointers["grad_features"]]
        masks = pointers["grad_masks"]
        masks = None if masks is None else self.memory.download(masks)
        self.memory.release()
        return features, masks


@functools.cache
def emulated(library: Path) -> Launchers:
    return Launchers(ctypes.CDLL(str(library)), HostMemory())
