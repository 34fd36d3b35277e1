"""The masks of all instances of an image in the frames of their boxes.

`transforms.box_frame_mask` says what they are. The compiled op computes the same, bit
by bit, and without Python's lock, so that the examples of several threads are made side
by side; where it is not built, NumPy does. What chooses is said in `ops._compiled`.
"""

import ctypes
import threading
from typing import Any

import numpy as np

from tfmask.data import transforms
from tfmask.data.coco.segmentation import Polygons, Segmentation
from tfmask.ops import _compiled

_VERSION = 1  # of custom_ops/box_frame_masks/box_frame_masks.h
_OK, _, _NO_MEMORY = range(3)  # TfmaskMaskStatus
_NO_MASK, _POLYGONS, _RUN_LENGTHS = range(3)  # TfmaskSegmentation


class _Segmentations(ctypes.Structure):
    """TfmaskSegmentations."""

    _fields_ = [
        ("num_instances", ctypes.c_int64),
        ("num_parts", ctypes.c_int64),
        ("num_points", ctypes.c_int64),
        ("num_counts", ctypes.c_int64),
        ("layout", ctypes.c_void_p),
        ("part_ends", ctypes.c_void_p),
        ("points", ctypes.c_void_p),
        ("counts", ctypes.c_void_p),
        ("boxes", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    ]


_lock = threading.Lock()
_state: dict[str, Any] = {"loaded": False, "function": None}


class InstanceMasks:
    """The segmentations of an image's n instances, ready to become box-frame masks.

    Args:
      segmentations: n checked ones, see `data.coco.segmentation`.
      boxes: [n, 4] float32 x1, y1, x2, y2 in pixels of the image, inside it.
      kept: [n] bool; the masks of the others are zeros.
      height, width: the image's, pixels.
    """

    def __init__(
        self,
        segmentations: tuple[Segmentation, ...],
        boxes: np.ndarray,
        kept: np.ndarray,
        height: int,
        width: int,
    ):
        self._arguments = segmentations, boxes, kept, height, width
        self._structure: _Segmentations | None = None
        if _function() is not None:
            self._pack(*self._arguments)

    def _pack(self, segmentations, boxes, kept, height, width):
        """Lays them side by side, as the compiled op reads them."""
        layout: list[int] = []
        outlines: list[np.ndarray] = []
        ends: list[int] = []
        counts: list[np.ndarray] = []
        num_points = num_counts = 0
        for segmentation, is_kept in zip(segmentations, kept.tolist()):
            if not is_kept:
                layout += (_NO_MASK, 0, 0)
            elif isinstance(segmentation, Polygons):
                begin, end = len(outlines), len(outlines) + len(segmentation.parts)
                layout += (_POLYGONS, begin, end)
                for outline in segmentation.parts:
                    num_points += len(outline)
                    outlines.append(outline)
                    ends.append(num_points)
            else:
                begin, num_counts = num_counts, num_counts + len(segmentation.counts)
                layout += (_RUN_LENGTHS, begin, num_counts)
                counts.append(segmentation.counts)
        numbers = np.array(layout + ends, np.int64)
        points = np.concatenate(outlines) if outlines else np.empty((0, 2))
        lengths = np.concatenate(counts) if counts else np.empty(0, np.int32)
        arrays = (
            numbers,
            _as(points, np.float64),
            _as(lengths, np.int32),
            _as(boxes, np.float32),
        )
        at_numbers, at_points, at_counts, at_boxes = map(_address, arrays)
        self._arrays = arrays  # The structure holds their addresses.
        self._structure = _Segmentations(
            len(segmentations), len(outlines), num_points, num_counts,
            at_numbers, at_numbers + numbers.itemsize * len(layout),
            at_points, at_counts, at_boxes, height, width,
        )  # fmt: skip

    def compute(
        self, resolution: int, mirrored: bool = False, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The masks, as `transforms.box_frame_mask` has each.

        Args:
          resolution: R.
          mirrored: left and right exchanged.
          out: [n, R, R] uint8, contiguous: where to write.

        Returns:
          [n, R, R] uint8, 0 (outside) to 255 (covered).
        """
        segmentations, boxes, kept, height, width = self._arguments
        if out is None:
            out = np.empty((len(segmentations), resolution, resolution), np.uint8)
        if self._structure is not None:
            at = _address(out)
            status = _state["function"](self._structure, resolution, mirrored, at)
            if status == _OK:
                return out
            if status == _NO_MEMORY:
                raise MemoryError(f"masks of an image of {width} x {height} pixels")
        # Also where the compiled op leaves to NumPy what NumPy alone defines.
        out[:] = 0
        for i in np.flatnonzero(kept):
            mask = transforms.box_frame_mask(
                segmentations[i], height, width, boxes[i], resolution
            )
            out[i] = mask[:, ::-1] if mirrored else mask
        return out


def _as(array: np.ndarray, dtype) -> np.ndarray:
    """Contiguous and of the type; most are."""
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, dtype)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _function():
    """The compiled op, loaded once; None where there is none."""
    if _compiled.mode() == "off":
        return None
    if not _state["loaded"]:
        with _lock:
            if not _state["loaded"]:
                _state["function"] = _load()
                _state["loaded"] = True
    return _state["function"]


def _load():
    file = _compiled.folder() / "box_frame_masks.so"
    if not file.exists():
        problem = f"{file.name} is not built"
    else:
        try:
            library = ctypes.CDLL(str(file))
        except OSError as error:
            problem = f"{file} does not load: {error}"
        else:
            if library.tfmask_box_frame_masks_version() == _VERSION:
                function = library.tfmask_box_frame_masks
                function.argtypes = [
                    ctypes.POINTER(_Segmentations), ctypes.c_int32, ctypes.c_int32,
                    ctypes.c_void_p,
                ]  # fmt: skip
                return function
            problem = f"{file} was built from other sources"
    _compiled.report_missing(problem, "NumPy for masks")
    return None
