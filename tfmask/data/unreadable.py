"""Images that cannot be read: named once each, and an error when they are too many."""

import threading

from tfmask.config import DataConfig
from tfmask.errors import DataError, ImageError

_QUOTED = 5  # faults that the error of too many quotes


class UnreadableImages:
    """Counts the images of a data set that cannot be read. Thread-safe.

    Args:
      config: strict, max_bad_fraction.
      total: number of images of the data set.
      use: what becomes of such an image, for the log.
      log: called with a line for each; None: nothing is said.
    """

    def __init__(self, config: DataConfig, total: int, use: str, log=print):
        self.failures: dict[int, str] = {}  # index into the images -> message
        self._config = config
        self._total = total
        self._use = use
        self._log = log
        self._lock = threading.Lock()

    def add(self, index: int, error: ImageError) -> None:
        """Takes note of an image.

        Args:
          index: into the images of the data set.
          error: why it cannot be read.

        Raises:
          ImageError: the error itself, where `strict`.
          DataError: there are more of them than `max_bad_fraction` allows.
        """
        if self._config.strict:
            raise error
        with self._lock:
            if index in self.failures:
                return
            self.failures[index] = str(error)
            failed, total = len(self.failures), self._total
            names = "; ".join(list(self.failures.values())[:_QUOTED])
        # One bad image is allowed in a small set too, if any are.
        fraction = self._config.max_bad_fraction
        allowed = max(int(fraction * total), 1 if fraction > 0 else 0)
        if failed > allowed or failed == total:
            raise DataError(
                f"{failed} of {total} images cannot be read, more than "
                f"data.max_bad_fraction={fraction} allows: {names}"
                + ("; ..." if failed > _QUOTED else ""),
                "too_many_bad_images",
            )
        if self._log is not None:
            self._log(f"image {failed} that cannot be read, {self._use}: {error}")
