"""The state of a run: everything that a step changes, one visible pytree."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.ops.pixels import prepare
from gan_jax.recipe import Recipe

PyTree = Any


class NetState(struct.PyTreeNode):
    """One network: parameters, other collections, optimizer state and EMA of the parameters.

    `stats` maps a collection's name (`batch_stats`, …) to its variables; `ema` is None where the
    recipe keeps no average of this network.
    """

    params: PyTree
    stats: dict[str, PyTree]
    opt: PyTree
    ema: PyTree


class TrainState(struct.PyTreeNode):
    """A run after `step` rounds. `key` is never advanced: a round's key is `fold_in(key, step)`.

    Attributes:
        step: int32 `[]`, rounds done (skipped ones counted).
        key: typed PRNG key `[]`.
        nets: a `NetState` per network name.
        hyper: float32 `[]` base value per name; schedules are functions of these.
        extra: the recipe's own fixed-shape pytree.
        skipped: int32 `[]`, rounds that the finite guard undid.
        skipped_in_a_row: int32 `[]`, the same since the last good round.
        rollbacks: int32 `[]`, folded into the key, so that a rolled-back run does not replay.
    """

    step: Array
    key: Array
    nets: dict[str, NetState]
    hyper: dict[str, Array]
    extra: PyTree
    skipped: Array
    skipped_in_a_row: Array
    rollbacks: Array


def injected(opt: PyTree) -> dict[str, Array]:
    """The scalars that `optax.inject_hyperparams` exposes anywhere in an optimizer state, within
    a chain or behind a mask too; none where it was not used."""
    found: dict[str, Array] = {}
    for part in jax.tree.leaves(opt, is_leaf=_is_injected):
        found |= part.hyperparams if _is_injected(part) else {}
    return found


def with_injected(opt: PyTree, values: Mapping[str, Array]) -> PyTree:
    """The optimizer state with those of `injected(opt)` as given."""

    def replaced(part: PyTree) -> PyTree:
        if not _is_injected(part):
            return part
        return part._replace(
            hyperparams={
                name: values[name].astype(scalar.dtype) for name, scalar in part.hyperparams.items()
            }
        )

    return jax.tree.map(replaced, opt, is_leaf=_is_injected)


def _is_injected(part: PyTree) -> bool:
    return hasattr(part, "hyperparams")


def init(
    recipe: Recipe,
    optimizers: Mapping[str, optax.GradientTransformation],
    key: Array,
    batch_spec: Mapping[str, jax.ShapeDtypeStruct],
) -> TrainState:
    """The state at step 0; pure, so it can run under `jit` with `out_shardings`, or `eval_shape`.

    Args:
        recipe: the experiment.
        optimizers: one for each network of the recipe.
        key: typed PRNG key.
        batch_spec: shapes and dtypes of one real batch as the pipeline delivers it.

    Raises:
        ValueError: the optimizers' names are not the networks' names.
        UsageError: a schedule is of no value that there is.
    """
    if set(optimizers) != set(recipe.networks):
        raise ValueError(
            f"optimizers for {sorted(optimizers)}, but the networks are {sorted(recipe.networks)}"
        )
    init_key, run_key = jax.random.split(key)
    batch = prepare({name: jnp.zeros(s.shape, s.dtype) for name, s in batch_spec.items()})
    examples = recipe.inputs(batch)
    nets = {}
    for name, module in recipe.networks.items():
        # The name, not the position, picks the key: adding a network leaves the others' weights.
        network_key = jax.random.fold_in(init_key, zlib.crc32(name.encode()) & 0x7FFFFFFF)
        stats = dict(module.init(network_key, *examples[name], train=True))
        params = stats.pop("params", {})
        # A copy: an alias of the parameters could not be donated twice.
        ema = jax.tree.map(jnp.copy, params) if name in recipe.ema else None
        nets[name] = NetState(params, stats, optimizers[name].init(params), ema)
    hyper = dict(recipe.values)
    for name, net in nets.items():
        hyper |= {f"{name}.{value}": scalar for value, scalar in injected(net.opt).items()}
    for name in recipe.schedules:
        if name not in hyper:
            known = ", ".join(hyper)
            raise UsageError(f"a schedule for {name!r}, but the recipe's values are {known}")
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero,
        key=run_key,
        nets=nets,
        hyper={name: jnp.asarray(value, jnp.float32) for name, value in hyper.items()},
        # With its dtype named a Python number becomes a strongly typed array, as a restored one is.
        extra=jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), recipe.extra),
        skipped=jnp.copy(zero),
        skipped_in_a_row=jnp.copy(zero),
        rollbacks=jnp.copy(zero),
    )
