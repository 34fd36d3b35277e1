"""Outlines and textures of the synthetic data set."""

import cv2
import numpy as np

CLASSES = ("disk", "square", "triangle", "ring")
_FINE = 4  # outlines are drawn so many times larger, then averaged
_HOLE = 0.5  # inner radius of a ring, of its outer one


def outline(name: str) -> np.ndarray:
    """Corners [n, 2] float of a shape of radius 1 around the origin."""
    if name in ("disk", "ring"):
        return _star(np.ones(48))
    if name == "square":
        return _star(np.ones(4), np.pi / 4)
    return _star(np.ones(3))


def _star(radii: np.ndarray, turn: float = -np.pi / 2) -> np.ndarray:
    """Corners at even angles; the first one is on top (y points down)."""
    angles = np.arange(len(radii)) * (2 * np.pi / len(radii)) + turn
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)


def coverage(
    name: str,
    centre,
    radius: float,
    squeeze: float,
    angle: float,
    height: int,
    width: int,
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The share of every pixel that a shape covers, in a window around it.

    Args:
      centre: (x, y), pixels; inside the image.
      squeeze: the second axis of the shape, of the first; below 1 it is flatter.
      angle: turn, radians.
      height, width: of the image, which cuts the window.

    Returns:
      Rows and columns of the window; [h, w] float32, 0..1.
    """
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = outline(name) * [radius, radius * squeeze] @ turn.T
    left, top = (max(int(c - radius) - 3, 0) for c in centre)
    right, bottom = (
        min(int(c + radius) + 4, s) for c, s in zip(centre, (width, height))
    )
    canvas = np.zeros(((bottom - top) * _FINE, (right - left) * _FINE), np.uint8)
    parts = [corners, corners * _HOLE] if name == "ring" else [corners]
    # Pixel i of the fine canvas covers [i, i + 1) and OpenCV's coordinate i is its
    # middle, hence the half.
    place = np.asarray(centre) - [left, top]
    fine = [np.round((part + place) * _FINE - 0.5).astype(np.int32) for part in parts]
    cv2.fillPoly(canvas, fine, 255)  # even-odd: the second outline is a hole
    size = (right - left, bottom - top)
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    window = (slice(top, bottom), slice(left, right))
    return window, small.astype(np.float32) / 255


def colour(rng: np.random.Generator) -> np.ndarray:
    """Any colour: it says nothing about the class."""
    hsv = np.array(
        [[[rng.integers(180), rng.integers(40, 256), rng.integers(50, 256)]]]
    )
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0].astype(
        np.float32
    )


def texture(rng: np.random.Generator, height: int, width: int, base) -> np.ndarray:
    """[height, width, 3] float32, 0..255: clouds, stripes or checks around a colour."""
    kind = rng.choice(["clouds", "stripes", "checks"])
    strength = rng.uniform(5, 18)
    if kind == "clouds":
        pattern = _clouds(rng, height, width)
    else:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
        along = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
        pattern = np.sin(along)
        if kind == "checks":
            across = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / period)
            pattern = np.sign(pattern * np.sin(across))
    grain = rng.normal(0, 5, (height, width, 1)).astype(np.float32)
    tint = rng.uniform(0.5, 1.0, 3).astype(np.float32)
    return np.clip(base + pattern[..., None] * strength * tint + grain, 0, 255)


def _clouds(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of several scales, about -1..1."""
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((3, 1.0), (8, 0.6), (24, 0.4)):
        coarse = rng.normal(0, 0.6, (cells, cells)).astype(np.float32)
        total += weight * cv2.resize(
            coarse, (width, height), interpolation=cv2.INTER_CUBIC
        )
    return total
