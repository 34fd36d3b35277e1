"""Which level of a pyramid a box is pooled from."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class LevelsBySize(NamedTuple):
    """Pyramid levels by the areas of boxes (FPN Eq. 1).

    A box is on as many levels above the finest as there are areas that its own
    reaches. Eq. 1 takes the logarithm of the square root; areas are compared instead,
    which decides a box of exactly the canonical size the same everywhere, and in a
    kernel as well as here.

    Fields:
      areas: where each level but the finest begins, square pixels, ascending; float32
        numbers.
    """

    areas: tuple[float, ...]

    @classmethod
    def of_pyramid(
        cls, first: int, last: int, canonical_size: float = 224.0
    ) -> "LevelsBySize":
        """Levels `first` to `last`, e.g. 2 and 5 of P2 to P5.

        A box of `canonical_size` pixels squared is on level 4.
        """
        sides = [canonical_size * 2.0 ** (level - 4) for level in range(first, last)]
        return cls(tuple(float(np.float32((2 * side) ** 2)) for side in sides))

    def assign(self, boxes: tf.Tensor) -> tf.Tensor:
        """The index of each box's level, `[M]` int32, for boxes `[M, 4]` float32.

        A box without area, or of which a corner is NaN, is on the finest level.
        """
        sides = tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
        area = sides[:, :1] * sides[:, 1:]  # [M, 1]
        reached = area >= tf.constant(self.areas, tf.float32, [1, len(self.areas)])
        return tf.reduce_sum(tf.cast(reached, tf.int32), 1)
