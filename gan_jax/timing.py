"""Clocks of a run: what training took, without compilation, saving and sampling."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds since it was made, and those since the last lap that were spent training."""

    def __init__(self) -> None:
        self._begin = self._lap = time.perf_counter()
        self._paused = 0.0
        self._waited = 0.0

    @property
    def seconds(self) -> float:
        """Wall time since the start of this process's run."""
        return time.perf_counter() - self._begin

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time in here counts as no training."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - begin

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time in here is training that waited for data."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - begin

    def lap(self) -> tuple[float, float]:
        """(seconds of training, of which waiting for data) since the last lap; starts the next."""
        now = time.perf_counter()
        trained, waited = now - self._lap - self._paused, self._waited
        self._lap, self._paused, self._waited = now, 0.0, 0.0
        return trained, waited
