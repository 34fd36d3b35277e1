"""Which image stands where in the endless training stream: pure functions of a seed.

Position i belongs to epoch i // n. Every epoch holds each of the n images once, or,
where images with rare classes are repeated, n images of which these are several. So a
run that resumes at position i goes on exactly as if it had never stopped.
"""

from collections.abc import Sequence

import numpy as np

# What a random number is for; part of its seed, so that draws do not repeat each other.
ORDER, SCALE, FLIP, TURN, CHANGES, PASTE, REPEAT = range(7)
_WINDOW = 64  # batches among which images of like shape are brought together


def random_numbers(seed: int, purpose: int, index: int, count: int) -> np.ndarray:
    """[count] float64 in [0, 1), a function of the first three arguments alone."""
    entropy = [seed & (2**64 - 1), purpose, index]
    return np.random.Generator(np.random.PCG64(entropy)).random(count)


def epoch_order(
    epoch: int, seed: int, aspects: np.ndarray, batch_size: int, group: bool
) -> np.ndarray:
    """The order of the images in one epoch.

    With `group`, the images of a batch have like aspect ratios, so that little padding
    is needed: a random order is cut into windows of 64 batches, each is sorted by
    aspect ratio and cut into batches, and all batches are shuffled. Images at the
    epoch's two ends, which share a batch with another epoch, stay unsorted.

    Args:
      epoch: its number, from 0.
      seed: of the run.
      aspects: [n] float, width / height of the images.
      batch_size: images per step; batches start at multiples of it in the stream.
      group: see above.

    Returns:
      [n] int64, a permutation.
    """
    count = len(aspects)
    numbers = random_numbers(seed, ORDER, epoch, 2 * count)
    # argsort of random numbers: the same in every numpy, unlike Generator.permutation
    order = np.argsort(numbers[:count], kind="stable")
    if not group or batch_size == 1:
        return order
    head = min(-epoch * count % batch_size, count)  # completes the last epoch's batch
    whole = (count - head) // batch_size
    body = order[head : head + whole * batch_size]
    for start in range(0, len(body), _WINDOW * batch_size):
        window = body[start : start + _WINDOW * batch_size]
        window[:] = window[np.argsort(aspects[window], kind="stable")]
    shuffled = np.argsort(numbers[count : count + whole], kind="stable")
    body[:] = body.reshape(whole, batch_size)[shuffled].ravel()
    return order


def repeat_factors(labels: Sequence[np.ndarray], threshold: float) -> np.ndarray:
    """How often each image is to come in an epoch (Gupta et al., "LVIS", sec. B.2).

    A class c that is in a share f(c) of the images has the factor
    max(1, sqrt(threshold / f(c))), an image the largest factor of its classes. They
    are scaled by less than half an image so that their sum, the images of an epoch, is
    a whole number.

    Args:
      labels: of each image [g] int, the labels of its objects.
      threshold: share of the images below which a class is repeated; 0.001 for LVIS.

    Returns:
      [n] float64, at least about 1.
    """
    kinds = [np.unique(each) for each in labels]
    frequency = np.bincount(np.concatenate([[0], *kinds]).astype(np.int64)) / len(kinds)
    frequency[0] = 1.0  # stands for "no object"
    with np.errstate(divide="ignore"):
        of_class = np.maximum(1.0, np.sqrt(threshold / frequency))
    factors = np.array([of_class[k].max(initial=1.0) for k in kinds])
    return factors * (round(factors.sum()) / factors.sum())


def repeated_images(epoch: int, seed: int, factors: np.ndarray) -> np.ndarray:
    """The images of one epoch, each as often as its factor says, up or down by chance.

    The chances of all images are drawn together (systematic sampling of a random
    order), so that every epoch has the same number of images.

    Args:
      epoch: its number, from 0.
      seed: of the run.
      factors: from `repeat_factors`.

    Returns:
      [round(sum of factors)] int64, indices of images.
    """
    count, total = len(factors), round(factors.sum())
    numbers = random_numbers(seed, REPEAT, epoch, count + 1)
    order = np.argsort(numbers[:count], kind="stable")
    ends = np.cumsum(factors[order])
    ends[-1] = total  # without the rounding of the sum
    times = np.diff(np.floor(ends + numbers[count]), prepend=0.0)
    return np.repeat(order, times.astype(np.int64))
