"""How the numbers of one weight lie in another program, and back.

Every layout has `load` (from the file) and `store` (to a file), inverses of each
other. Ours are kernels `[kh, kw, in, out]`, transposed convolutions
`[kh, kw, out, in]`, dense layers `[in, out]`, and class 0 the background.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tfmask.errors import WeightsError


class Layout(Protocol):
    """Theirs to ours, and back."""

    def load(self, value: np.ndarray) -> np.ndarray: ...

    def store(self, value: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Axes:
    """A permutation of the axes; empty: the same order."""

    order: tuple[int, ...] = ()

    def load(self, value: np.ndarray) -> np.ndarray:
        return value.transpose(self.order) if self.order else value

    def store(self, value: np.ndarray) -> np.ndarray:
        return value.transpose(np.argsort(self.order)) if self.order else value


SAME = Axes()
# PyTorch [out, in, kh, kw]; also its transposed convolution [in, out, kh, kw], since
# both libraries define that as the gradient of a convolution, without a flip.
TORCH_CONV = Axes((2, 3, 1, 0))
TORCH_DENSE = Axes((1, 0))


@dataclass(frozen=True)
class FlatRoI:
    """A dense layer over a roi feature that was flattened as (C, H, W); ours (H, W, C).

    Args:
      side: bins per side of the feature.
      base: layout of the dense layer itself.
    """

    side: int
    base: Axes

    def load(self, value):
        value = self.base.load(value)  # [C*S*S, out]
        rows, units = value.shape
        shape = (-1, self.side, self.side, units)
        return value.reshape(shape).transpose(1, 2, 0, 3).reshape(rows, units)

    def store(self, value):
        rows, units = value.shape
        value = value.reshape(self.side, self.side, -1, units).transpose(2, 0, 1, 3)
        return self.base.store(value.reshape(rows, units))


@dataclass(frozen=True)
class ClassAxis:
    """A layer with one group of outputs for each class, on its last axis.

    Args:
      base: layout of the layer itself.
      file, model: where the background's group is: `first`, `last` or `none`.
      group: outputs per class: 4 for deltas.
      keep: which of the file's classes ours are, e.g. COCO's 80 of torchvision's 90;
        empty: all. Stored back, the others are zero.
      of: how many classes they have; used with `keep`.
    """

    base: Axes
    file: str
    model: str = "first"
    group: int = 1
    keep: tuple[int, ...] = ()
    of: int = 0

    def load(self, value):
        return self._move(self.base.load(value), self.file, self.model, True)

    def store(self, value):
        return self.base.store(self._move(value, self.model, self.file, False))

    def num_classes(self, value: np.ndarray) -> int:
        """Classes without the background that their array has."""
        rows = self.base.load(value).shape[-1] // self.group
        rows -= int(self.file != "none")
        return len(self.keep) if self.keep and rows == self.of else rows

    def _move(self, value, source, target, loading):
        rows = value.reshape(*value.shape[:-1], -1, self.group)
        if source == "none":
            # Nothing reads these outputs: a background box or mask is never used.
            background, classes = np.zeros_like(rows[..., :1, :]), rows
        elif source == "first":
            background, classes = rows[..., :1, :], rows[..., 1:, :]
        else:
            background, classes = rows[..., -1:, :], rows[..., :-1, :]
        if self.keep and loading and classes.shape[-2] == self.of:
            classes = classes[..., list(self.keep), :]
        elif self.keep and not loading:
            every = np.zeros((*classes.shape[:-2], self.of, self.group), classes.dtype)
            every[..., list(self.keep), :] = classes
            classes = every
        order = {
            "first": (background, classes),
            "last": (classes, background),
            "none": (classes,),
        }[target]
        moved = np.concatenate(order, axis=-2)
        return moved.reshape(*value.shape[:-1], -1)


@dataclass(frozen=True)
class Stem:
    """The first convolution, for an input of other channel order or pixel scale.

    Args:
      base: layout of the convolution itself.
      flip: the channels are in the opposite order.
      scale: our pixel_std over theirs, in our channel order.
    """

    base: Axes
    flip: bool = False
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)

    def load(self, value):
        value = self.base.load(value)
        value = value[:, :, ::-1] if self.flip else value
        return value * self._factor(value) if self._scaled else value

    def store(self, value):
        value = value / self._factor(value) if self._scaled else value
        return self.base.store(value[:, :, ::-1] if self.flip else value)

    @property
    def _scaled(self):
        return any(abs(s - 1.0) > 1e-6 for s in self.scale)

    def _factor(self, value):
        return np.asarray(self.scale, value.dtype)[:, None]


@dataclass(frozen=True)
class AdaptedStem:
    """The first convolution of RGB images, for images of another number of channels.

    One channel gets the sum of the three, so that a gray image gives what it gives as
    three equal channels. Of C channels the k-th (from 0) gets that of R, G or B, k
    modulo 3, times 3 / C, so that the sum over all keeps its size.

    Args:
      base: layout of the convolution itself.
      from_order, to_order: `rgb` or `bgr`, of the file and of the model; `bgr` is the
        reverse of all channels.
      from_std: their pixel_std of R, G, B.
      to_std: our pixel_std of each channel, in the order of the image.
    """

    base: Axes
    from_order: str
    to_order: str
    from_std: tuple[float, ...]
    to_std: tuple[float, ...]

    def load(self, value):
        value, channels = self.base.load(value), len(self.to_std)
        if value.shape[2] == channels:  # trained on such images
            return value
        value = value[:, :, ::-1] if self.from_order == "bgr" else value
        value = value / np.asarray(self.from_std, value.dtype)[:, None]
        if channels == 1:
            value = value.sum(2, keepdims=True)
        else:
            value = value[:, :, np.arange(channels) % 3] * (3 / channels)
        value = value * np.asarray(self.to_std, value.dtype)[:, None]
        return value[:, :, ::-1] if self.to_order == "bgr" else value

    def store(self, value):
        raise WeightsError(
            f"the first convolution takes {len(self.to_std)} channels: expected 3 for "
            "a file of another project"
        )


@dataclass(frozen=True)
class Shift:
    """A variance to which the other program adds another epsilon.

    Args:
      amount: their epsilon minus ours.
    """

    amount: float = 0.0

    def load(self, value):
        # float64: 1e-8 is below the resolution of a float32 near 1.
        return (value.astype(np.float64) + self.amount) if self.amount else value

    def store(self, value):
        return (value.astype(np.float64) - self.amount) if self.amount else value


@dataclass(frozen=True)
class Flat:
    """A convolution over a whole roi feature that is a dense layer for us.

    Args:
      side: cells per side of the kernel, and of the feature.
    """

    side: int = 1

    def load(self, value):
        return value.reshape(-1, value.shape[-1])  # [S, S, C, out] -> [S*S*C, out]

    def store(self, value):
        return value.reshape(self.side, self.side, -1, value.shape[-1])


@dataclass(frozen=True)
class Cell:
    """A dense layer that is a 1x1 convolution for us.

    Args:
      base: layout of the dense layer.
    """

    base: Axes = SAME

    def load(self, value):
        return self.base.load(value)[None, None]  # [in, out] -> [1, 1, in, out]

    def store(self, value):
        return self.base.store(value[0, 0])


@dataclass(frozen=True)
class Anchors:
    """Outputs for the anchors of a cell, which come in the opposite order.

    Args:
      group: outputs per anchor.
      deltas: those of an anchor; see BoxOrder.
    """

    group: int = 1
    deltas: Layout = SAME

    def load(self, value):
        return self.deltas.load(self._reversed(value))

    def store(self, value):
        return self._reversed(self.deltas.store(value))

    def _reversed(self, value):
        rows = value.reshape(*value.shape[:-1], -1, self.group)
        return rows[..., ::-1, :].reshape(value.shape)


@dataclass(frozen=True)
class BoxOrder:
    """Deltas that come as (dy, dx, dh, dw) where ours are (dx, dy, dw, dh).

    Args:
      scale: what their deltas are multiplied by to give ours, in their order.
    """

    scale: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def load(self, value):
        rows = value.reshape(*value.shape[:-1], -1, 4)
        rows = rows * np.asarray(self.scale, value.dtype)
        return rows[..., [1, 0, 3, 2]].reshape(value.shape)

    def store(self, value):
        rows = value.reshape(*value.shape[:-1], -1, 4)[..., [1, 0, 3, 2]]
        return (rows / np.asarray(self.scale, value.dtype)).reshape(value.shape)
