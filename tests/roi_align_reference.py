"""Shape-aware RoIAlign written from its equations, sample by sample, in NumPy."""

import math

import numpy as np


def corners(box):
    """A box that is not finite is an empty box at the origin; others end at 1e6."""
    box = np.asarray(box, np.float32)
    return np.clip(box, -1e6, 1e6) if np.isfinite(box).all() else np.zeros(4, "f4")


def axis(low, high, stride, aligned, size, sampling):
    """Start and side in cells, and samples per bin, of one axis of a box."""
    shift = np.float32(0.5 if aligned else 0.0)
    start = low / np.float32(stride) - shift
    side = max(high / np.float32(stride) - shift - start, 0.0 if aligned else 1.0)
    count = min(max(math.ceil(np.float32(side) / np.float32(size)), 1), 4096)
    return float(start), float(side), sampling or count


def linear(place, extent):
    """Neighbours of a place on an axis and their weights; nothing far outside."""
    if place < -1 or place > extent:
        return []
    place = min(max(place, 0.0), extent - 1.0)
    low = int(place)
    high = min(low + 1, extent - 1)
    return [(low, 1 - (place - low)), (high, place - low)]


def terms(shape, box, stride, mask_shape, size, sampling, aligned):
    """Yields (bin, [(cell, weight)], [(mask cell, weight)], samples of the bin)."""
    x1, y1, x2, y2 = corners(box)
    top, height, sy = axis(y1, y2, stride, aligned, size, sampling)
    left, width, sx = axis(x1, x2, stride, aligned, size, sampling)
    for h, a, w, b in np.ndindex(size, sy, size, sx):
        down = (h * sy + a + 0.5) / (size * sy)
        across = (w * sx + b + 0.5) / (size * sx)
        cells = [
            ((r, c), p * q)
            for r, p in linear(top + down * height, shape[0])
            for c, q in linear(left + across * width, shape[1])
        ]
        # The mask is clamped to its border: one that is asked for is never outside.
        pixels = [
            ((r, c), p * q)
            for r, p in linear(down * mask_shape[0] - 0.5, mask_shape[0])
            for c, q in linear(across * mask_shape[1] - 0.5, mask_shape[1])
        ]
        yield (h, w), cells, pixels, sy * sx


def pool(features, boxes, images, levels, masks, size, strides, sampling, aligned):
    """The pooled boxes `[M, S, S, C]` in float64."""
    features = [np.asarray(f, np.float64) for f in features]
    out = np.zeros((len(boxes), size, size, features[0].shape[-1]))
    for m, (box, image, level) in enumerate(zip(boxes, images, levels)):
        mask = np.ones((1, 1)) if masks is None else np.asarray(masks[m], np.float64)
        f = features[level][image]
        for at, cells, pixels, count in terms(
            f.shape, box, strides[level], mask.shape, size, sampling, aligned
        ):
            probability = sum(weight * mask[pixel] for pixel, weight in pixels)
            for cell, weight in cells:
                out[m][at] += f[cell] * weight * probability / count
    return out


def gradients(
    features, boxes, images, levels, masks, size, strides, sampling, aligned, grad
):
    """Gradients of sum(pool * grad): one `[B, H, W, C]` a level, `[M, Hp, Wp]`."""
    features = [np.asarray(f, np.float64) for f in features]
    grad_features = [np.zeros_like(f) for f in features]
    shape = (len(boxes), 1, 1) if masks is None else np.shape(masks)
    masks = np.ones(shape) if masks is None else np.asarray(masks, np.float64)
    grad_masks = np.zeros(shape)
    for m, (box, image, level) in enumerate(zip(boxes, images, levels)):
        f, g = features[level][image], grad_features[level][image]
        for at, cells, pixels, count in terms(
            f.shape, box, strides[level], shape[1:], size, sampling, aligned
        ):
            probability = sum(weight * masks[m][pixel] for pixel, weight in pixels)
            for cell, weight in cells:
                g[cell] += grad[m][at] * weight * probability / count
                product = float(np.dot(grad[m][at], f[cell])) * weight / count
                for pixel, pixel_weight in pixels:
                    grad_masks[m][pixel] += product * pixel_weight
    return grad_features, grad_masks
