"""A population made runnable: its members divided over devices, each of which trains its own.

No member waits for another's, so a machine of several devices trains as many times the members. On
a processor, too, several virtual devices gain: what runs on one core in a round of one (small
operations, the ends of large ones) overlaps with a round of another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import jax
from jax import NamedSharding
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from gan_jax.experiment import Experiment
from gan_jax.mesh import AXIS, make_mesh, replicated
from gan_jax.population import init_population, make_population_rounds
from gan_jax.program import Program
from gan_jax.state import TrainState
from gan_jax.step import make_step


def start_population(
    experiment: Experiment,
    built: Program,
    seeds: Sequence[int],
    at_once: int | None,
    devices: int,
) -> tuple[Program, Callable, TrainState]:
    """The program on the members' devices; the rounds of a call, compiled when first called, that
    take batches whole; and the population at step 0.

    Args:
        experiment: with its settings.
        built: of a run alone.
        seeds: of the members, as many on every device.
        at_once: members that a device computes together; None for all that it has.
        devices: the first so many.

    Raises:
        UsageError: there are fewer devices.
    """
    mesh, spec, config = make_mesh(devices), experiment.batch_spec(), experiment.config
    step = make_step(built.recipe, built.optimizers, accumulate=config.accumulate)
    rounds = make_population_rounds(step, config.steps_per_call, at_once)

    def initial(keys: jax.Array) -> TrainState:
        return init_population(built.recipe, built.optimizers, keys, spec)

    keys = jax.vmap(jax.random.key)(jax.numpy.asarray(seeds))
    sharding = members_sharding(jax.eval_shape(initial, keys), mesh)
    state = jax.jit(initial, out_shardings=sharding)(keys)
    return dataclasses.replace(built, mesh=mesh), compile_rounds(rounds, mesh, sharding), state


def members_sharding(state: TrainState, mesh: Mesh) -> TrainState:
    """Of a population's state, abstract or not: every device holds its members, and all hold the
    step number."""
    members = jax.tree.map(lambda leaf: NamedSharding(mesh, P(AXIS)), state.replace(step=None))
    return members.replace(step=replicated(mesh))


def compile_rounds(rounds: Callable, mesh: Mesh, sharding: TrainState) -> Callable:
    """`rounds(population, frozen, batches, count)` jitted over the mesh, the population donated.

    Each device runs the function on its members; all else is whole on every device. Metrics are
    `[rounds, K]` with the members of all.
    """
    specs = jax.tree.map(lambda leaf: leaf.spec, sharding)
    whole = replicated(mesh)
    return jax.jit(
        jax.shard_map(
            rounds,
            mesh=mesh,
            in_specs=(specs, P(), P(), P()),
            out_specs=(specs, P(None, AXIS)),
            check_vma=False,
        ),
        donate_argnums=0,
        in_shardings=(sharding, whole, whole, whole),
        out_shardings=(sharding, NamedSharding(mesh, P(None, AXIS))),
    )
