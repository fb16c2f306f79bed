"""SIGTERM and Ctrl-C: the first asks the run to stop after the step in progress, the second ends
it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

import jax

from gan_jax import processes

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A terminal and a launcher may each pass on the same Ctrl-C: within this time two count as one.
ONE_REQUEST_SECONDS = 1.0


class StopFlag:
    """Notes that the process was asked to stop; a context manager for the main thread.

    Every loop polls `requested` (or `agreed`), saves and leaves. The numbers of the signals reach
    a thread of their own through a pipe that the interpreter's C handler writes to. So the second
    signal works even while the main thread is inside a compilation or waits for a device that
    will never answer: the process exits with 128 + its number, as after a kill, and the run can
    be continued from its last checkpoint.

    Attributes:
        requested: number of the first signal, or None.
    """

    def __init__(self, agree_every: int = 10):
        """`agree_every`: how many steps lie between two agreements of several processes."""
        self.requested: int | None = None
        self._agree_every = agree_every
        self._agreed_period = 0

    def __enter__(self) -> StopFlag:
        self._received, self._written = os.pipe()
        os.set_blocking(self._written, False)
        self._previous_pipe = signal.set_wakeup_fd(self._written, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _leave_to_thread) for number in SIGNALS}
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_pipe)
        os.close(self._written)
        self._thread.join()
        os.close(self._received)

    def _watch(self) -> None:
        first = 0.0
        while data := os.read(self._received, 1):
            number = data[0]
            if number not in SIGNALS:
                continue
            if self.requested is None:
                first = time.monotonic()
                self.requested = number
            elif time.monotonic() - first > ONE_REQUEST_SECONDS:
                os._exit(128 + number)

    def agreed(self, step: int) -> int | None:
        """The signal to stop for after `step`, the same in all processes, or None.

        A signal to one process must end all of them at the same step. They ask each other in a
        collective every `agree_every` steps (it waits for the devices, so not at every step);
        one process alone answers at every step. JAX's own sync point is no help: it knows only
        SIGTERM, and its handler and this one would displace each other.
        """
        if jax.process_count() == 1:
            return self.requested
        period = step // self._agree_every
        if period == self._agreed_period:
            return None
        self._agreed_period = period
        return processes.largest(self.requested or 0) or None


def _leave_to_thread(number: int, frame: FrameType | None) -> None:
    """A handler in Python must exist for the C handler to write to the pipe."""
