"""What every benchmark shares: which machine, interleaved timing, JSON lines."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import jax


def machine() -> dict:
    """Processor, cores, load and versions, the head of every line."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "backend": jax.default_backend(),
        "load": round(os.getloadavg()[0], 2),
        "jax": version("jax"),
        "flax": version("flax"),
    }


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, dict[str, float]]:
    """Wall and processor time of each call in ms, medians and minima, run A, B, A, B.

    Processor time is the sum over threads, and what other processes do disturbs it less.
    """
    for call in calls.values():
        jax.block_until_ready(call())
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {name: _summary(*zip(*pairs, strict=True)) for name, pairs in seconds.items()}


def _summary(wall, processor) -> dict[str, float]:
    return {
        "ms": round(1e3 * statistics.median(wall), 3),
        "min_ms": round(1e3 * min(wall), 3),
        "processor_ms": round(1e3 * statistics.median(processor), 3),
    }


def parser(description: str | None) -> argparse.ArgumentParser:
    """`--out` and `--repeats`, which every benchmark takes."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--out", type=Path, help="also write the lines to this file")
    arguments.add_argument("--repeats", type=int, default=7)
    return arguments


def report(line: dict, out: Path | None) -> None:
    """Prints one line of JSON and appends it to the file."""
    text = json.dumps(line)
    print(text, flush=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a") as file:
            file.write(text + "\n")
