"""The GPU at hand, asked through CUDA's driver library."""

import ctypes
import shutil


class NoDevice(RuntimeError):
    """Nothing to run on; the message says what is missing."""


def find() -> tuple[str, tuple[int, int]]:
    """Name and compute capability of the first GPU.

    Raises:
      NoDevice: no driver or no GPU.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise NoDevice("there is no CUDA driver (libcuda.so.1) here") from None
    count, device = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count:
        raise NoDevice("the CUDA driver finds no GPU")
    name = ctypes.create_string_buffer(128)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    capability = []
    for attribute in (75, 76):  # compute capability, major and minor
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return name.value.decode(), tuple(capability)


def require_nvcc() -> None:
    """Raises NoDevice where nvcc is not on the PATH."""
    if shutil.which("nvcc") is None:
        raise NoDevice("nvcc is not on the PATH")
