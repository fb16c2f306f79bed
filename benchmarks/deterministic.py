"""A GPU adds up in any order: is a resumed run still the uninterrupted one, and at what cost?

    python benchmarks/deterministic.py [--experiment=experiments/digits_ada.py:smoke] [--steps=20]
        [--bench=experiments/cifar10_dcgan.py] [--out=FILE.jsonl]

Trains the experiment to the last step, and again with a stop half way, with XLA as it is and with
`--xla_gpu_deterministic_ops=true`, and compares all rows and all leaves of the last state. Then
`gan-jax bench` times another one both ways, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from hardware import hardware, write_row

FLAG = "--xla_gpu_deterministic_ops=true"
EXPERIMENTS = Path(__file__).parent.parent / "experiments"
TURNS = 3
MEASURED = ("seconds", "images_per_second", "share_waiting_for_data", "peak_memory_bytes")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--experiment", default=f"{EXPERIMENTS}/digits_ada.py:smoke")
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--bench", default=f"{EXPERIMENTS}/cifar10_dcgan.py")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # commands share the device with this
    for deterministic in (False, True):
        equal = resumes_bit_equal(options.experiment, options.steps, deterministic)
        row = {"benchmark": "deterministic resume", "experiment": options.experiment}
        row |= {"deterministic": deterministic, "steps": options.steps, "bit_equal": equal}
        write_row(row | {"hardware": hardware()}, options.out)
    row = {"benchmark": "deterministic cost", "experiment": options.bench}
    write_row(row | cost(options.bench) | {"hardware": hardware()}, options.out)


def command(deterministic: bool, *words: object) -> None:
    """Runs `gan-jax`; raises CalledProcessError where it fails."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {FLAG if deterministic else ''}".strip()
    subprocess.run(
        [sys.executable, "-m", "gan_jax", *map(str, words)],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def resumes_bit_equal(experiment: str, steps: int, deterministic: bool) -> bool:
    """Whether a run that was stopped half way ends in the rows and state of one that was not."""
    with tempfile.TemporaryDirectory() as directory:
        whole, parts = Path(directory, "whole"), Path(directory, "parts")
        for run, ends in ((whole, [steps]), (parts, [steps // 2, steps])):
            for end in ends:
                command(deterministic, "train", experiment, f"--workdir={run}", f"--stop_at={end}")
        return rows(whole) == rows(parts) and all(
            np.array_equal(a, b, equal_nan=True)
            for a, b in zip(leaves(whole, steps), leaves(parts, steps), strict=True)
        )


def rows(run: Path) -> list[dict[str, object]]:
    """The metrics, times and memory aside."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in MEASURED} for line in lines]


def leaves(run: Path, step: int) -> list[np.ndarray]:
    """Of the state that was saved at that step."""
    import jax

    from gan_jax import checkpoint
    from gan_jax.program import build
    from gan_jax.trained import recorded_experiment

    program = build(recorded_experiment(run, lambda line: None))
    restored = checkpoint.restore(
        run / "checkpoints",
        program.abstract_state,
        step=step,
        best=None,
        on_event=lambda kind, fields: None,
    )
    if restored is None:
        raise SystemExit(f"{run} has no checkpoint at step {step}")
    state = restored.state.replace(key=jax.random.key_data(restored.state.key))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def cost(experiment: str) -> dict[str, object]:
    """Median milliseconds of a round both ways, and their ratio."""
    medians: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as directory:
        for turn in range(TURNS):
            for deterministic, found in medians.items():
                file = Path(directory, f"{turn}{deterministic}.jsonl")
                command(deterministic, "bench", experiment, "--synthetic", f"--json={file}")
                found.append(json.loads(file.read_text())["round_seconds"]["median"])
    free, fixed = (statistics.median(found) for found in medians.values())
    return {
        "free_ms": round(1e3 * free, 3),
        "deterministic_ms": round(1e3 * fixed, 3),
        "ratio": round(fixed / free, 3),
    }


if __name__ == "__main__":
    main()
