"""Four virtual CPU devices, one compilation cache for all, and the command as users run it.

What tests compile in their own process is hardly optimised, unless GAN_JAX_TEST_OPTIMIZED is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "experiments"


@pytest.fixture(scope="session", autouse=True)
def _cpu_devices() -> None:
    import jax

    jax.config.update("jax_num_cpu_devices", 4)
    # In this process alone, not in commands that tests start: programs compile in half the time.
    jax.config.update(
        "jax_disable_most_optimizations", not os.environ.get("GAN_JAX_TEST_OPTIMIZED")
    )


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a command: one folder of prepared data for all workers, and a compilation cache for each
    (or those that CI shares between sessions)."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    session = tmp_path_factory.getbasetemp()
    session = session if worker is None else session.parent
    shared = Path(os.environ.get("GAN_JAX_TEST_CACHE") or session / "cache")
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XDG_CACHE_HOME": str(shared / (worker or "main")),
        "TFDS_DATA_DIR": str(shared / "data"),
    }


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def gan_jax(environment: dict[str, str]) -> Command:
    """`gan_jax("train", …)` runs the command in a process of its own."""

    def run(
        *arguments: object, devices: int = 1, timeout: float = 600, cwd: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=environment | {"JAX_NUM_CPU_DEVICES": str(devices)},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gan_jax", *map(str, arguments)]
