"""How far training is: one refreshing line on a terminal, plain lines elsewhere."""

import shutil
import sys
import time


class Progress:
    """Shows steps, time left, images/s, learning rate and every loss term.

    Args:
      total: steps of the run.
      batch_size: images per step.
      log: called with each plain line.
      stream: where the refreshing line goes if it is a terminal.
    """

    def __init__(self, total: int, batch_size: int, log=print, stream=None):
        self.total = total
        self.batch_size = batch_size
        self.stream = stream or sys.stdout
        self.live = bool(getattr(self.stream, "isatty", lambda: False)())
        self._log = log
        self._drawn = 0.0
        self._shown = False
        # (clock, step) that the speed is measured from
        self._mark: tuple[float, int] | None = None
        self.images_per_second = 0.0

    def log(self, text: str) -> None:
        """A plain line, without tearing the refreshing one."""
        if self._shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._shown = False
        self._log(text)

    def pause(self) -> None:
        """What follows (evaluation, saving) does not count as training time."""
        self._mark = None

    def measure(self, step: int) -> float:
        """Images per second since the last call, and starts a new interval."""
        now = time.perf_counter()
        if self._mark is not None and step > self._mark[1]:
            seconds = now - self._mark[0]
            self.images_per_second = (step - self._mark[1]) * self.batch_size / seconds
        self._mark = (now, step)
        return self.images_per_second

    def started(self, step: int) -> None:
        """Step `step` begins; the first after a pause starts the clock."""
        if self._mark is None:
            self._mark = (time.perf_counter(), step)

    def line(self, step: int, figures: dict[str, float]) -> str:
        """One line of text for the state after `step` steps."""
        speed = self.images_per_second
        left = (self.total - step) * self.batch_size / speed if speed else None
        parts = [f"step {step}/{self.total}"]
        parts.append(f"ETA {format_time(left)}" if left is not None else "ETA -")
        parts.append(f"{speed:.3g} images/s")
        parts += [f"{name} {value:.4g}" for name, value in figures.items()]
        return "  ".join(parts)

    def refresh(self, step: int, figures: dict[str, float]) -> None:
        """Redraws the line, at most ten times per second; nothing if not a terminal."""
        now = time.perf_counter()
        if not self.live or (now - self._drawn < 0.1 and step < self.total):
            return
        self._drawn = now
        if self._mark is not None and step > self._mark[1] and now > self._mark[0]:
            done = (step - self._mark[1]) * self.batch_size
            self.images_per_second = done / (now - self._mark[0])
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r\x1b[K" + self.line(step, figures)[:width])
        self.stream.flush()
        self._shown = True

    def close(self) -> None:
        """Leaves the last line standing."""
        if self._shown:
            self.stream.write("\n")
            self.stream.flush()
            self._shown = False


def format_time(seconds: float) -> str:
    """`1d02h`, `3h05m`, `4m10s` or `12s`."""
    seconds = round(seconds)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"
