"""Which image stands where in the endless training stream: pure functions of a seed.

Position i belongs to epoch i // n, and every epoch holds each of the n images once. So
a run that resumes at position i goes on exactly as if it had never stopped.
"""

import numpy as np

# What a random number is for; part of its seed, so that draws do not repeat each other.
ORDER, SCALE, FLIP, TURN, CHANGES, PASTE = range(6)
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
