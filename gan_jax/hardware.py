"""What this process runs on: processor, devices, versions, memory."""

from __future__ import annotations

import os
import platform
import resource
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("gan-jax", "jax", "jaxlib", "flax", "numpy")


def hardware() -> dict[str, Any]:
    """Processor, cores, devices and versions, as JSON."""
    devices = jax.devices()
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def processor() -> str:
    """The model, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def device_memory(device: Any) -> int:
    """Bytes that programs may use on it: what it reports, or a CPU's share of the main memory."""
    statistics = device.memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"]
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return everything // len(jax.local_devices())


def peak_memory(device: Any) -> int:
    """Most bytes in use on it so far; on a CPU those of this process."""
    statistics = device.memory_stats() or {}
    if "peak_bytes_in_use" in statistics:
        return statistics["peak_bytes_in_use"]
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
