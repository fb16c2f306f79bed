"""Timing calls in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import jax


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, most_seconds: float = float("inf")
) -> dict[str, dict[str, float]]:
    """Milliseconds of each call after a first one, run A, B, A, B: median and minimum, and the
    median processor time (of all threads), which other processes disturb less. After
    `most_seconds` and three turns there are no more."""
    for call in calls.values():
        jax.block_until_ready(call())
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for turn in range(repeats):
        if turn >= 3 and time.perf_counter() - begin > most_seconds:
            break
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            taken = time.perf_counter() - wall, time.process_time() - processor
            seconds[name].append(taken)
    return {name: _summary(taken) for name, taken in seconds.items()}


def _summary(taken: list[tuple[float, float]]) -> dict[str, float]:
    wall, processor = zip(*taken, strict=True)
    return {
        "ms": round(1e3 * statistics.median(wall), 3),
        "min_ms": round(1e3 * min(wall), 3),
        "processor_ms": round(1e3 * statistics.median(processor), 3),
    }
