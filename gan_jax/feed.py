"""How a call's batches reach the devices: sent with it, or gathered there from examples that live
on them, and then only which of them is sent."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from gan_jax.data.pipeline import INDEX, Arrays, Readable, Rounds
from gan_jax.errors import UsageError
from gan_jax.mesh import put_batches, put_whole, rows_sharding

SHARE = 0.5
"""Of a device's memory that examples may take."""


class Feed(Readable, Protocol):
    """What some rounds read here, and put on the devices as `[K, R, B, …]`."""

    def put(self, batches: Arrays) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Sent:
    """Batches go with every call."""

    rounds: Rounds
    mesh: Mesh

    def read(self, step: int, count: int) -> dict[str, np.ndarray]:
        return self.rounds.read(step, count)

    def put(self, batches: Arrays) -> dict[str, Any]:
        return put_batches(batches, self.mesh)


@dataclass(frozen=True)
class Resident:
    """Indices go with every call. examples: all N of the source, `[N, …]` a name, whole on every
    device; the batches that come of them are those of `Sent`, to the bit."""

    rounds: Rounds
    mesh: Mesh
    examples: Mapping[str, Array]

    def read(self, step: int, count: int) -> dict[str, np.ndarray]:
        return self.rounds.read_indices(step, count)

    def put(self, batches: Arrays) -> dict[str, Any]:
        placed = put_batches(batches, self.mesh)
        return _gather(self.mesh)(self.examples, placed.pop(INDEX)) | placed


def feed(rounds: Rounds, mesh: Mesh, examples: Mapping[str, Array] | None) -> Feed:
    """Sends batches, or where there are `examples` on the devices takes them from there."""
    return Sent(rounds, mesh) if examples is None else Resident(rounds, mesh, examples)


def on_devices(rounds: Rounds, mesh: Mesh) -> dict[str, Array]:
    """All examples of the rounds, on every device.

    Raises:
        UsageError: they take more than half of a device's memory.
        DataError: as of `Rounds.read`.
    """
    examples = rounds.everything()
    needed = sum(leaf.nbytes for leaf in examples.values())
    memory = (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")
    if memory is not None and needed > SHARE * memory:
        raise UsageError(
            f"data.on_device=True: the examples take {needed / 1e9:.1f} GB of a device's"
            f" {memory / 1e9:.1f} GB; set it to False"
        )
    return put_whole(examples, mesh)


@functools.lru_cache
def _gather(mesh: Mesh) -> Any:
    def gather(examples: Mapping[str, Array], index: Array) -> dict[str, Array]:
        return {name: leaf[index] for name, leaf in examples.items()}

    return jax.jit(gather, out_shardings=rows_sharding(mesh))
