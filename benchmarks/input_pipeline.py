"""Batches off the input pipeline, without training: read from ArrayRecord each time, or in memory.

    python benchmarks/input_pipeline.py [--size=64] [--batch=64] [--seconds=5] [--out=FILE.jsonl]

One thread reads, as `config.data.threads=0` does; run it under `taskset -c 0` for the rate of one
core. The avatars are drawn first where they are not there yet.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from hardware import hardware, write_row

from gan_jax.console import Console
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.pipeline import Rounds
from gan_jax.data.source import in_memory


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=64)
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    with Console().progress("preparing avatars") as advance:
        source = open_source(
            f"avatars/{options.size}",
            split="train",
            geometry=Geometry(size=options.size, channels=3),
            on_bad_image="error",
            data_dir=None,
            labels="none",
            progress=advance,
        )
    for name, opened in (("ArrayRecord", source), ("memory", in_memory(source))):
        rate = images_per_second(opened, options.batch, options.seconds)
        row = {"benchmark": "input_pipeline", "from": name, "size": options.size}
        row |= {"batch": options.batch, "images_per_second": round(rate)}
        write_row(row | {"hardware": hardware()}, options.out)


def images_per_second(source: Any, batch: int, seconds: float) -> float:
    """Of batches in a run's order, one after another."""
    rounds = Rounds(
        source=source,
        keys={"image": "image"},
        batch_size=batch,
        batches_per_round=1,
        rows=slice(0, batch),
        seed=0,
        flip=True,
        num_classes=0,
    )
    rounds.read(0)
    begin, step = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        step += 1
        rounds.read(step)
    return step * batch / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
