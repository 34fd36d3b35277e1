"""What is drawn for an example: its view, its colours, what is pasted into it.

All are functions of the seed, the position in the stream and the size of a batch, so
that a resumed run, or one with other threads, sees the same examples. Each setting has
random numbers of its own: switching one on leaves what the others draw.
"""

from typing import NamedTuple

import numpy as np

from tfmask.config import DataConfig
from tfmask.data import transforms
from tfmask.data.colour import Colours
from tfmask.data.dataset import ImageRecord
from tfmask.data.order import CHANGES, FLIP, PASTE, SCALE, TURN, random_numbers
from tfmask.data.views import View


class _Draws(NamedTuple):
    """Random numbers in [0, 1) of one view."""

    scale: float
    x: float
    y: float
    mirror: float
    vertical: float
    turn: float


_COLOURS = 4  # random numbers behind those of the view: of `_colours`
_PASTED = 4  # before those of the view: whether, which image, where


class Paste(NamedTuple):
    """Instances of a second image that an example gets."""

    image_index: int  # into the images of the data set
    view: View  # of the second image, no larger than the example
    offset: tuple[int, int]  # (y, x) of the view in the example
    chosen: np.ndarray  # [m] int, which instances of the image


class Augmenter:
    """Draws what is done to the images of the training stream.

    Args:
      config: sizes, flip and augmentation.
      seed: of the run.
      batch_size: images per step over all replicas. Images of a step share one scale,
        and whether height and width are exchanged.
    """

    def __init__(self, config: DataConfig, seed: int, batch_size: int):
        self.config = config
        self.seed = seed
        self.batch_size = batch_size
        augment = config.augment
        self._moves = bool(
            augment.vertical_flip
            or augment.rotate
            or augment.crop != (0, 0)
            or augment.scale_jitter != (1.0, 1.0)
        )
        self._recolours = bool(
            augment.brightness or augment.contrast or augment.saturation or augment.hue
        )

    def sides(self, i: int) -> tuple[int, int]:
        """Short side and longest side that the image at position i is resized to."""
        config = self.config
        if len(config.short_side) == 1:
            return config.short_side[0], config.max_side
        draw = random_numbers(self.seed, SCALE, i // self.batch_size, 1)[0]
        choice = int(draw * len(config.short_side))
        return config.short_side[choice], config.max_side

    def view(self, i: int, record: ImageRecord) -> View:
        """What the example at position i shows of its image."""
        mirror = 1.0
        if self.config.flip:
            mirror = random_numbers(self.seed, FLIP, i, 1)[0]
        if not self._moves:
            shape = transforms.resized_shape(
                record.height, record.width, *self.sides(i)
            )
            region = 0, 0, record.width, record.height
            return View(region, shape, flip_x=bool(mirror < self.config.flip))
        scale, x, y, vertical, turn = random_numbers(self.seed, CHANGES, i, 5).tolist()
        draws = _Draws(scale, x, y, mirror, vertical, turn)
        return self._draw_view(i, record, draws, None)

    def colours(self, i: int) -> Colours | None:
        """How the colours of the example at position i are changed."""
        if not self._recolours:
            return None
        draws = random_numbers(self.seed, CHANGES, i, 5 + _COLOURS)[5:].tolist()
        augment = self.config.augment
        reach = augment.brightness, augment.contrast, augment.saturation
        brightness, contrast, saturation = (
            1 + r * (2 * d - 1) for r, d in zip(reach, draws)
        )
        hue = augment.hue * (2 * draws[3] - 1)
        return Colours(brightness, contrast, saturation, hue)

    def paste(self, i: int, images: list[ImageRecord], shape) -> Paste | None:
        """What is pasted into the example at position i.

        Args:
          i: the position.
          images: of the data set.
          shape: (height, width) of the example.
        """
        augment = self.config.augment
        if not augment.copy_paste:
            return None
        count = _PASTED + len(_Draws._fields)
        draws = random_numbers(self.seed, PASTE, i, count).tolist()
        if draws[0] >= augment.copy_paste:
            return None
        index = int(draws[1] * len(images))
        record = images[index]
        # The first numbers are the same however many are drawn.
        which = random_numbers(self.seed, PASTE, i, count + len(record.labels))[count:]
        chosen = np.flatnonzero((which < augment.paste_instances) & ~record.crowd)
        if not len(chosen):
            return None
        view = self._draw_view(i, record, _Draws(*draws[_PASTED:]), shape)
        free = np.subtract(shape, view.shape)
        y, x = (int(d * (f + 1)) for d, f in zip(draws[2:4], free.tolist()))
        return Paste(index, view, (y, x), chosen)

    def _draw_view(
        self, i: int, record: ImageRecord, draws: _Draws, window: tuple | None
    ) -> View:
        """A view by random numbers; `window`: (height, width) that it is to fit into,
        in place of the settings'."""
        augment = self.config.augment
        transposed, flip_x, flip_y = self._turn(i, draws.turn)
        flip_x ^= bool(draws.mirror < self.config.flip)
        flip_y ^= bool(draws.vertical < augment.vertical_flip)
        whole = transforms.resized_shape(record.height, record.width, *self.sides(i))
        if window is None and augment.crop != (0, 0):
            window = augment.crop
        if window is None:
            window = whole
        elif transposed:  # the window lies in the example, not in the image
            window = window[::-1]
        low, high = augment.scale_jitter
        factor = low + (high - low) * draws.scale
        y1, y2, height = _cut(record.height, whole[0] * factor, window[0], draws.y)
        x1, x2, width = _cut(record.width, whole[1] * factor, window[1], draws.x)
        shape = (width, height) if transposed else (height, width)
        return View((x1, y1, x2, y2), shape, transposed, flip_x, flip_y)

    def _turn(self, i: int, draw: float) -> tuple[bool, bool, bool]:
        """A turn by 0, 90, 180 or 270 degrees: (transposed, flip_x, flip_y)."""
        third = self.config.augment.rotate / 3
        if not third:
            return False, False, False
        step = random_numbers(self.seed, TURN, i // self.batch_size, 1)[0]
        if step < 2 * third:  # a quarter, one way or the other
            return True, draw < 0.5, draw >= 0.5
        half = draw < third / (1 - 2 * third)
        return False, half, half


def _cut(pixels: int, size: float, window: int, draw: float) -> tuple[int, int, int]:
    """A stretch of the image's height or width, and how long it comes out.

    Args:
      pixels: the image's.
      size: pixels after resizing, if all of it were seen.
      window: pixels that it may have.
      draw: random number in [0, 1), where the stretch lies.

    Returns:
      (start, end, pixels after resizing).
    """
    if size <= window:
        return 0, pixels, max(int(size + 0.5), 1)
    part = min(max(round(window * pixels / size), 1), pixels)
    start = int(draw * (pixels - part + 1))
    return start, start + part, window
