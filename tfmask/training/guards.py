"""Signals and stalls: a run ends cleanly, or says where it hangs."""

import faulthandler
import signal
import sys
import threading
import time


class StopSignals:
    """SIGTERM and Ctrl-C ask for a stop; a second one ends the process at once.

    As a context manager. Outside the main thread, where Python cannot catch signals,
    it does nothing.

    Attributes:
      received: number of the signal, 0 for none.
    """

    def __init__(self, log=print):
        self.received = 0
        self._log = log
        self._before: dict = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *unused):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        self.received = number
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)  # the next one ends the process
        self._log(
            f"{signal.Signals(number).name} received: saving after this step "
            "(once more ends at once)"
        )


class Watchdog:
    """Writes the stack of every thread to stderr when no step is done for a while.

    Args:
      seconds: how long is too long; 0: never.
    """

    def __init__(self, seconds: float = 600):
        self.seconds = seconds
        self._armed = 0.0

    def __enter__(self):
        self.feed()
        return self

    def __exit__(self, *unused):
        faulthandler.cancel_dump_traceback_later()

    def feed(self) -> None:
        """A step was done."""
        now = time.monotonic()
        # Arming starts a thread: not more often than needed.
        stream = sys.__stderr__  # None in a process without one
        if stream is None or not self.seconds:
            return
        if now - self._armed < min(1.0, self.seconds / 10):
            return
        self._armed = now
        # It runs in C, so that it speaks even when the interpreter is blocked.
        faulthandler.dump_traceback_later(self.seconds, repeat=True, file=stream)
