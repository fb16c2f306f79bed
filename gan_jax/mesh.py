"""Devices: one mesh over a `data` axis, and how a round's arrays lie on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax import NamedSharding
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P

from gan_jax.errors import UsageError
from gan_jax.ops.sharding import AXIS

BATCH_AXES = P(None, None, AXIS)
"""Of a call's batches `[K, R, B, …]`: only B is split over devices."""

VIEWS = ("global", "per_device")


def make_mesh(count: int) -> Mesh:
    """A mesh of the first `count` devices, of all with 0.

    Raises:
        UsageError: there are fewer, or several processes would not all be part of it.
    """
    # Some TPU slices number the devices of one process apart; rows_of_process needs them together.
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    if count > len(devices) or count < 0:
        kind = devices[0].platform
        raise UsageError(f"mesh.devices={count}, but there are {len(devices)} {kind} devices")
    if jax.process_count() > 1 and count not in (0, len(devices)):
        raise UsageError(
            f"mesh.devices={count}: with {jax.process_count()} processes all {len(devices)} "
            "devices take part; set it to 0"
        )
    chosen = np.array(devices[: count or len(devices)])
    return Mesh(chosen, (AXIS,), axis_types=(AxisType.Auto,))


def check_batch(batch_size: int, accumulate: int, mesh: Mesh) -> None:
    """Raises UsageError unless every device gets equally many rows of every part of a batch."""
    if batch_size % (mesh.size * accumulate):
        parts = f"{mesh.size} devices" + (f" x {accumulate} parts" if accumulate > 1 else "")
        raise UsageError(f"batch_size={batch_size} is not divisible by {parts}")


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array: the state, the metrics."""
    return NamedSharding(mesh, P())


def rows_sharding(mesh: Mesh) -> NamedSharding:
    """Every device holds its rows of a call's batches `[K, R, B, …]`."""
    return NamedSharding(mesh, BATCH_AXES)


def compile_rounds(rounds: Callable, mesh: Mesh, view: str) -> Callable:
    """`rounds(state, frozen, batches, count)` jitted over the mesh, the state donated.

    In the `global` view the compiler sees whole batches (batch statistics are synchronised); in
    the `per_device` view each device runs the function on its rows, under the axis name `data`.
    """
    if view == "per_device":
        rounds = jax.shard_map(
            rounds,
            mesh=mesh,
            in_specs=(P(), P(), BATCH_AXES, P()),
            out_specs=(P(), P()),
            check_vma=False,
        )
    elif mesh.size > 1:
        rounds = _aware_of(mesh, rounds)
    whole, rows = replicated(mesh), rows_sharding(mesh)
    return jax.jit(
        rounds,
        donate_argnums=0,
        in_shardings=(whole, whole, rows, whole),
        out_shardings=(whole, whole),
    )


def _aware_of(mesh: Mesh, function: Callable) -> Callable:
    """Traced so that `ops.sharding.divided` finds the mesh."""

    def traced(*arguments: Any) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*arguments)

    return traced


def rows_of_process(batch_size: int, mesh: Mesh) -> slice:
    """The rows of a global batch that this process reads: its devices lie side by side."""
    mine = [i for i, d in enumerate(mesh.devices.flat) if d.process_index == jax.process_index()]
    per_device = batch_size // mesh.size
    return slice(mine[0] * per_device, (mine[-1] + 1) * per_device)


def put_whole(arrays: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, Any]:
    """Arrays that every process has, whole on every device."""
    sharding = replicated(mesh)
    return {
        name: jax.make_array_from_callback(array.shape, sharding, array.__getitem__)
        for name, array in arrays.items()
    }


def put_batches(batches: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, Any]:
    """This process's rows `[K, R, b, …]` as global arrays `[K, R, B, …]` on the devices."""
    sharding = rows_sharding(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, rows)
        for name, rows in batches.items()
    }
