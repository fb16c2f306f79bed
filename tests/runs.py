"""Two run directories compared bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import checkpoint
from gan_jax.program import build
from gan_jax.trained import recorded_experiment

MEASURED = ("seconds", "images_per_second", "share_waiting_for_data", "peak_memory_bytes")


def rows(workdir: Path) -> list[dict[str, Any]]:
    """The metrics rows, time, rate and memory fields aside."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in MEASURED}
        for line in lines
    ]


def pictures(workdir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((workdir / "samples").glob("*.png"))}


def state(workdir: Path, step: int | str = "latest") -> list[np.ndarray]:
    """The leaves of a checkpoint."""
    program = build(recorded_experiment(workdir, lambda line: None))
    restored = checkpoint.restore(
        workdir / "checkpoints",
        program.abstract_state,
        step=step,
        best=None,
        on_event=lambda kind, fields: None,
    )
    assert restored is not None
    found = restored.state.replace(key=jax.random.key_data(restored.state.key))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found)]


def assert_same_run(a: Path, b: Path) -> None:
    """Bit-equal in every leaf of the last state, the metrics rows and the sample pictures."""
    assert rows(a) == rows(b)
    assert pictures(a) == pictures(b)
    for ours, theirs in zip(state(a), state(b), strict=True):
        np.testing.assert_array_equal(ours, theirs)
