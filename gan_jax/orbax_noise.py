"""Keeps what Orbax writes to the terminal off it; what it raises is reported in our words."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drops three things: Orbax's log through absl, which holds a traceback of each error that it
    also raises; what asyncio logs of its tasks that fail beside the first one; and, from now on,
    the complaints of TensorStore's threads that answer after Orbax has given up."""

    def not_of_orbax(record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname and "orbax" not in record.getMessage()

    _drop_late_answers()
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(not_of_orbax)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(not_of_orbax)


@functools.cache
def _drop_late_answers() -> None:
    """For the rest of the process: the threads may answer after the last checkpoint is closed."""
    previous = sys.unraisablehook

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            previous(unraisable)

    sys.unraisablehook = report
