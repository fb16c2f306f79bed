"""K runs of one recipe in one program: they see the same data, and differ in seed and `hyper`.

A population is a `TrainState` whose leaves have a leading axis `[K]`, except `step`, which all
members share: what asks for the step number (`every`, schedules, the order of data) is answered
once, and a lazy phase stays a `lax.cond` that runs in its rounds only.

From the same state a member's round is that of a run alone, to the rounding of float32: a layer's
K matrix products are one batched product, which adds up in another order. Over rounds that grows
as a changed last bit does in a run alone: a ReLU that switches the other way may move a GAN's
gradients by a tenth within ten rounds.

No number of one member enters another's: one that is not finite stays alone, and a member's own
finite guard skips its round and moves its counters. But a `lax.cond` that asks for a member's own
number chooses between two results, and both are computed in every round: ADA, which does nothing
at p = 0 in a run alone, costs a population its whole pipeline at every p.

Accelerators gain where one run does not fill them, CPUs while the members' states fit the cache;
elsewhere `at_once=1` keeps one program and takes members in turn.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from gan_jax.augment.names import unknown
from gan_jax.errors import UsageError
from gan_jax.recipe import Batch, PyTree, Recipe
from gan_jax.state import TrainState, init
from gan_jax.step import Rounds, Step, make_rounds
from gan_jax.update import Metrics

GENERATOR = "threefry2x32"
"""Draws of JAX's other generators under `vmap` depend on the first key of all."""


def init_population(
    recipe: Recipe,
    optimizers: Mapping[str, optax.GradientTransformation],
    keys: Array,
    batch_spec: Mapping[str, jax.ShapeDtypeStruct],
    hyper: Mapping[str, Sequence[float]] | None = None,
) -> TrainState:
    """The population at step 0; pure, as `state.init`, whose state each member's is.

    Args:
        recipe: the experiment.
        optimizers: one for each network; what they inject is in `hyper` too.
        keys: typed PRNG keys `[K]`; `jax.vmap(jax.random.key)(seeds)` are those of runs alone.
        batch_spec: of one real batch, the same for all.
        hyper: for some of the recipe's values, K numbers; the others are alike for all. Only what
            is a named value may differ: neither the numbers that a recipe works out when it is
            made (a lazy Adam's constants of `every`) nor what is no argument of an injected
            optimizer. An optimizer's own copy of an injected value follows in the first
            round.

    Raises:
        ValueError: keys that are not typed, or not `[K]` with K of at least 1.
        UsageError: keys of another generator than threefry, a name that the recipe does not have,
            or not K numbers.
    """
    _check_keys(keys)
    state = jax.vmap(lambda key: init(recipe, optimizers, key, batch_spec).replace(step=None))(keys)
    given = {
        name: _numbers(name, values, state.hyper, len(keys))
        for name, values in (hyper or {}).items()
    }
    return state.replace(step=jnp.zeros((), jnp.int32), hyper={**state.hyper, **given})


def make_population_rounds(step: Step, rounds_per_call: int, at_once: int | None = None) -> Rounds:
    """`rounds(population, frozen, batches, count) -> (population, metrics)`, as `make_rounds`.

    All members take the same batches `[rounds, R, B, …]` and frozen networks; metrics are
    `[rounds, K]`.

    Args:
        step: of a run alone.
        rounds_per_call: of all members.
        at_once: so many members' rounds are computed as one, by `vmap`, the next ones' after them;
            all with None. Where one run fills the device, 1 is the fastest: the networks of one
            member after another, and a `lax.cond` of theirs runs one branch.
    """
    rounds = make_rounds(step, rounds_per_call)

    def rounds_of_all(
        state: TrainState, frozen: Mapping[str, PyTree], batches: Batch, count: Array
    ) -> tuple[TrainState, Metrics]:
        def one(alone: TrainState):
            after, metrics = rounds(alone.replace(step=state.step), frozen, batches, count)
            return after.replace(step=None), metrics, after.step

        members = state.replace(step=None)
        if at_once is None:
            # With None vmap itself refuses a step number that would differ between members.
            after, metrics, next_step = jax.vmap(one, out_axes=(0, 1, None))(members)
            return after.replace(step=next_step), metrics
        batch_size = None if at_once == 1 else at_once
        after, metrics, steps = lax.map(one, members, batch_size=batch_size)
        metrics = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), metrics)
        return after.replace(step=steps[0]), metrics

    return rounds_of_all


def member(state: TrainState, index: int) -> TrainState:
    """Member `index` as a run alone has its state: to be saved, sampled or trained on by itself.

    Its arrays are its own, so the population may be donated afterwards.

    Raises:
        UsageError: there is no such member.
    """
    _check_index(state, index)
    alone = jax.tree.map(lambda leaf: leaf[index], state.replace(step=None))
    return alone.replace(step=jnp.copy(state.step))


def with_member(state: TrainState, index: int, alone: TrainState) -> TrainState:
    """The population with member `index` replaced by a run alone; not to be called under `jit`.

    A copy of a better member draws that one's noise, and with the same `hyper` repeats it; give
    it a key of its own: `member(state, best).replace(key=…, hyper=…)`.

    Raises:
        UsageError: there is no such member, or the run is not at the population's step.
        ValueError: a state of another recipe, in structure, shape or dtype.
    """
    _check_index(state, index)
    if int(alone.step) != int(state.step):
        raise UsageError(
            f"a run at step {int(alone.step)} cannot join a population at step {int(state.step)}"
        )

    def put(path: jax.tree_util.KeyPath, leaf: Array, new: Array) -> Array:
        wanted, given = f"{leaf.dtype}{list(leaf.shape[1:])}", f"{new.dtype}{list(new.shape)}"
        if given != wanted:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise ValueError(f"{name} is {given}, but the members' is {wanted}")
        return leaf.at[index].set(new)

    others, alone = state.replace(step=None), alone.replace(step=None)
    return jax.tree_util.tree_map_with_path(put, others, alone).replace(step=state.step)


def _check_keys(keys: Array) -> None:
    typed = jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
    if not typed or keys.ndim != 1 or len(keys) < 1:
        raise ValueError(f"a population takes typed keys [K], not {keys.dtype}{list(keys.shape)}")
    generator = str(jax.random.key_impl(keys))
    if generator != GENERATOR:
        raise UsageError(
            f"keys of {generator!r} give a population's members noise that depends on the first: "
            f"set jax_default_prng_impl to {GENERATOR!r}"
        )


def _numbers(name: str, values: Sequence[float], known: Mapping[str, Array], count: int) -> Array:
    """A value's numbers, float32 `[K]`."""
    if name not in known:
        raise unknown("value", name, known)
    numbers = jnp.asarray(values, jnp.float32)
    if numbers.shape != (count,):
        raise UsageError(f"{name}: numbers {list(numbers.shape)} for {count} members, one each")
    return numbers


def _check_index(state: TrainState, index: int) -> None:
    members = len(state.skipped)
    if not 0 <= operator.index(index) < members:
        # An array's index out of bounds would quietly be the nearest within them.
        raise UsageError(f"no member {index}: there are {members}, numbered from 0")
