"""A window of a run's steps under JAX's profiler."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import jax

from gan_jax.errors import UsageError

FORM = re.compile(r"([0-9]+):([0-9]+)")


@dataclasses.dataclass
class Window:
    """Traces the calls from step `first` on until `count` steps are done.

    Attributes:
        directory: what TensorBoard's profile plugin, XProf or Perfetto opens.
        first: a step; a run that is beyond it traces nothing.
        count: steps.
        say: hears where the trace is, or why there is none.
    """

    directory: Path
    first: int
    count: int
    say: Callable[[str], None]
    _is_open: bool = False
    _was_open: bool = False

    def before(self, step: int, state: object) -> None:
        """Opens or closes the window before the call at `step`; `state` is what it will change."""
        if self._is_open and step >= self.first + self.count:
            self.close(state)
        elif not self._is_open and self.first <= step < self.first + self.count:
            jax.block_until_ready(state)
            jax.profiler.start_trace(self.directory)
            self._is_open = self._was_open = True

    def close(self, state: object) -> None:
        """Ends an open window once the work in it is done; at the end of a run in which none was,
        says so."""
        if not self._is_open:
            if not self._was_open:
                last = self.first + self.count - 1
                self.say(f"nothing traced: no call of this run began at steps {self.first}-{last}")
            return
        self._is_open = False
        jax.block_until_ready(state)
        try:
            jax.profiler.stop_trace()
        except Exception as error:  # the profiler has no error class of its own
            self.say(f"no trace in {self.directory}: {error}")
        else:
            self.say(f"steps from {self.first} are traced in {self.directory}")


def window_of(text: str) -> tuple[int, int]:
    """`FIRST:COUNT`; raises UsageError."""
    match = FORM.fullmatch(text)
    if not match or not int(match[2]):
        raise UsageError(f"--profile={text!r}: must be FIRST:COUNT, as 100:10 for ten steps")
    return int(match[1]), int(match[2])
