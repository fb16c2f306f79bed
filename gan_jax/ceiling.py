"""The fastest that the devices at hand multiply matrices: what a step's speed is a share of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import NamedSharding
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from gan_jax.flops import flops_of
from gan_jax.mesh import AXIS

SIDE = {"cpu": 2048}
SIDE_ELSEWHERE = 8192


def product(mesh: Mesh, dtype: Dtype) -> tuple[Callable[[], object], float]:
    """A call that multiplies two large square matrices on each device, and its operations."""
    side = SIDE.get(mesh.devices.flat[0].platform, SIDE_ELSEWHERE)
    sharding = NamedSharding(mesh, P(AXIS))
    make = jax.jit(
        lambda key: jax.random.normal(key, (mesh.size, side, side), dtype), out_shardings=sharding
    )
    left, right = make(jax.random.key(0)), make(jax.random.key(1))
    multiply = jax.jit(jnp.matmul, out_shardings=sharding)
    return lambda: multiply(left, right), flops_of(jnp.matmul, left, right)


def measured(mesh: Mesh, dtype: Dtype, repeats: int = 5) -> float:
    """FLOP/s of that product on all devices of the mesh together: the median of some calls."""
    call, operations = product(mesh, dtype)
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - begin)
    return operations / statistics.median(seconds)
