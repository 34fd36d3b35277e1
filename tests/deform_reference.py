"""What the taps of a deformable convolution read, and its gradients, in NumPy."""

import numpy as np


def _corners(features, offsets, size, strides):
    """Index arrays and weights `[B, H', W', k k]` of each of the four cells.

    Yields (index, weight, slope in y, slope in x) where index chooses from the features
    with a border of zeros, one cell wide.
    """
    batch, height, width, _ = features.shape
    shape = (*offsets.shape[:3], size * size)
    image, row, column, tap = np.indices(shape)
    pad = (size - 1) // 2
    y, x = np.moveaxis(offsets.reshape(*shape, 2), -1, 0)
    # Places are known in float32.
    y = (y + (row * strides - pad + tap // size).astype(np.float32)).astype(np.float64)
    x = (x + (column * strides - pad + tap % size).astype(np.float32)).astype("f8")
    reads = (y >= -1) & (y < height) & (x >= -1) & (x < width)
    y, x = np.where(reads, y, 0), np.where(reads, x, 0)
    top, left = np.floor(y), np.floor(x)
    for down in (0, 1):
        for right in (0, 1):
            index = (
                image,
                (top + down + 1).astype(int),
                (left + right + 1).astype(int),
            )
            vertical = y - top if down else 1 - (y - top)
            across = x - left if right else 1 - (x - left)
            slopes = (2 * down - 1) * across, (2 * right - 1) * vertical
            yield index, *(np.where(reads, w, 0) for w in (vertical * across, *slopes))


def _bordered(features):
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    return np.pad(np.asarray(features, np.float64), border)


def columns(features, offsets, modulation, size, strides):
    """`[B H' W', k k, C]` float64; arguments as of `deform_columns`."""
    bordered = _bordered(features)
    result = sum(
        weight[..., None] * bordered[index]
        for index, weight, _, _ in _corners(features, offsets, size, strides)
    )
    if modulation is not None:
        result = result * np.asarray(modulation, np.float64)[..., None]
    cells = int(np.prod(offsets.shape[:3]))
    return result.reshape(cells, size * size, features.shape[-1])


def gradients(features, offsets, modulation, size, strides, grad):
    """Of the features, the offsets and the modulation (None without one)."""
    bordered = _bordered(features)
    shape = (*offsets.shape[:3], size * size)
    grad = np.asarray(grad, np.float64).reshape(*shape, features.shape[-1])
    scale = np.ones(shape) if modulation is None else np.asarray(modulation, np.float64)
    to_features = np.zeros_like(bordered)
    to_offsets, to_modulation = np.zeros((*shape, 2)), np.zeros(shape)
    for index, weight, *slopes in _corners(features, offsets, size, strides):
        np.add.at(to_features, index, (scale * weight)[..., None] * grad)
        product = np.sum(grad * bordered[index], -1)
        to_offsets += np.stack([scale * slope * product for slope in slopes], -1)
        to_modulation += weight * product
    return (
        to_features[:, 1:-1, 1:-1],
        to_offsets.reshape(offsets.shape),
        None if modulation is None else to_modulation,
    )
