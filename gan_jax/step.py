"""The pure training step of a recipe: one round of its phases. jit and mesh happen elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from gan_jax.ops.pixels import prepare
from gan_jax.recipe import Batch, PyTree, Recipe
from gan_jax.state import NetState, TrainState
from gan_jax.update import Metrics, NetStates, Update, every

Step = Callable[[TrainState, Mapping[str, PyTree], Batch], tuple[TrainState, Metrics]]
Rounds = Callable[[TrainState, Mapping[str, PyTree], Batch, Array], tuple[TrainState, Metrics]]


def make_step(
    recipe: Recipe,
    optimizers: Mapping[str, optax.GradientTransformation],
    *,
    accumulate: int = 1,
    axis_name: str | None = None,
) -> Step:
    """The function `step(state, frozen, batches) -> (state, metrics)`.

    `frozen` holds the variables of the recipe's frozen networks by name. The leaves of `batches`
    are `[R, B, …]`, R real batches a round as the pipeline delivers them (uint8 pictures). The
    metrics are float32 scalars of this round: `phase/metric`, zero in rounds where the phase was
    not due; `value/NAME` of what is scheduled; the two counters of the finite guard.

    A round whose metrics or new state are not all finite changes nothing but `step`, `skipped`
    and `skipped_in_a_row`.

    Args:
        recipe: the experiment.
        optimizers: one for each network.
        accumulate: each real batch is taken in so many parts whose gradients are averaged; batch
            statistics are those of the parts.
        axis_name: the mapped axis in the per-device view, where gradients, statistics, extra and
            metrics are averaged over devices; None where the compiler sees the global batch.

    Raises:
        ValueError: per-device view of a recipe whose `extra` cannot be averaged.
    """
    if axis_name is not None:
        _check_extra_can_be_averaged(recipe.extra)

    update_of = _updates(recipe, optimizers, accumulate, axis_name)

    def step(state: TrainState, frozen: Mapping[str, PyTree], batches: Batch):
        batches = prepare(batches)
        update = update_of(state, frozen, batches)
        values, key = update.values, _round_key(state, axis_name)
        nets, extra, metrics = state.nets, state.extra, {}
        for index, phase in enumerate(recipe.phases):

            def due(nets, extra, phase=phase, index=index):
                return update.run(phase, nets, extra, batches, jax.random.fold_in(key, index))

            nets, extra, measured = every(phase.every, state.step, due, nets, extra)
            metrics |= {f"{phase.name}/{name}": value for name, value in measured.items()}
        nets = {name: _with_ema(recipe, name, net, values) for name, net in nets.items()}
        metrics |= {f"value/{name}": values[name] for name in recipe.schedules}
        return _guarded(state, nets, extra, metrics)

    return step


def make_phase(
    recipe: Recipe,
    optimizers: Mapping[str, optax.GradientTransformation],
    index: int,
    *,
    accumulate: int = 1,
) -> Step:
    """The function of `make_step` with one phase alone, all its turns, in every round and without
    averages and the guard: what a phase costs."""
    update_of = _updates(recipe, optimizers, accumulate, None)

    def step(state: TrainState, frozen: Mapping[str, PyTree], batches: Batch):
        batches = prepare(batches)
        update = update_of(state, frozen, batches)
        key = jax.random.fold_in(_round_key(state, None), index)
        phase = recipe.phases[index]
        nets, extra, metrics = update.run(phase, state.nets, state.extra, batches, key)
        return state.replace(step=state.step + 1, nets=nets, extra=extra), metrics

    return step


def _updates(
    recipe: Recipe,
    optimizers: Mapping[str, optax.GradientTransformation],
    accumulate: int,
    axis_name: str | None,
) -> Callable[[TrainState, Mapping[str, PyTree], Batch], Update]:
    """How phases are run in the round of a state."""

    def update_of(state: TrainState, frozen: Mapping[str, PyTree], batches: Batch) -> Update:
        return Update(
            recipe=recipe,
            optimizers=optimizers,
            accumulate=accumulate,
            axis_name=axis_name,
            frozen=frozen,
            values=_values(recipe, state, _images_per_round(batches, axis_name), axis_name),
        )

    return update_of


def make_rounds(step: Step, rounds_per_call: int) -> Rounds:
    """`rounds(state, frozen, batches, count) -> (state, metrics)`: `count <= rounds_per_call`
    rounds in one dispatch.

    The leaves of `batches` are `[K, R, B, …]`, those of the metrics `[K]`; entries from `count`
    on are neither read nor meaningful. `count` is traced, so a remainder runs the very program
    of a full call: a shorter scan would be compiled anew, with other bits.
    """

    def one(state, frozen, batches, count):
        state, metrics = step(state, frozen, jax.tree.map(lambda leaf: leaf[0], batches))
        return state, jax.tree.map(lambda metric: metric[None], metrics)

    def several(state, frozen, batches, count):
        def batch(index):
            return jax.tree.map(lambda leaf: leaf[index], batches)

        def body(index, carry):
            state, rows = carry
            state, metrics = step(state, frozen, batch(index))
            return state, jax.tree.map(lambda row, metric: row.at[index].set(metric), rows, metrics)

        shapes = jax.eval_shape(step, state, frozen, batch(0))[1]
        rows = jax.tree.map(lambda m: jnp.zeros((rounds_per_call, *m.shape), m.dtype), shapes)
        return lax.fori_loop(0, count, body, (state, rows))

    return one if rounds_per_call == 1 else several


def _check_extra_can_be_averaged(extra: PyTree) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(extra):
        if jnp.ndim(leaf) or not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise ValueError(
                "the per-device view averages the recipe's extra state over devices, so each leaf "
                f"must be a float scalar; extra{jax.tree_util.keystr(path)} is not. "
                'Use view="global".'
            )


def _round_key(state: TrainState, axis_name: str | None) -> Array:
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.rollbacks), state.step)
    return key if axis_name is None else jax.random.fold_in(key, lax.axis_index(axis_name))


def _images_per_round(batches: Batch, axis_name: str | None) -> int:
    batches_in_round, size = jax.tree.leaves(batches)[0].shape[:2]
    return batches_in_round * size * (1 if axis_name is None else lax.axis_size(axis_name))


def _values(
    recipe: Recipe, state: TrainState, images_per_round: int, axis_name: str | None
) -> dict[str, Array]:
    """Every named value of this round: its base, or what its schedule makes of it; and
    `replicas`, the devices over which a batch is divided in the per-device view, else 1."""
    images_seen = state.step.astype(jnp.float32) * images_per_round  # int32 ends at 2^31
    replicas = 1 if axis_name is None else lax.axis_size(axis_name)
    values = {**state.hyper, "replicas": jnp.asarray(replicas, jnp.float32)}
    for name, schedule in recipe.schedules.items():
        value = schedule(state.step, images_seen, state.hyper[name])
        values[name] = jnp.asarray(value, jnp.float32)
    return values


def _with_ema(recipe: Recipe, name: str, net: NetState, values: Mapping[str, Array]) -> NetState:
    """After the round's last phase: decay * ema + (1 - decay) * params."""
    if name not in recipe.ema:
        return net
    decay = values[recipe.ema[name]]

    def mix(average: Array, param: Array) -> Array:
        return (decay * average + (1.0 - decay) * param).astype(average.dtype)

    return net.replace(ema=jax.tree.map(mix, net.ema, net.params))


def all_finite(tree: PyTree) -> Array:
    """Whether every floating leaf is finite everywhere, bool `[]`."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    # Without the barriers XLA:CPU pulls the whole step into the reductions and compiles for long.
    leaves = lax.optimization_barrier(leaves)
    finite = lax.optimization_barrier(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
    return jnp.all(finite)


def _guarded(state: TrainState, nets: NetStates, extra: PyTree, metrics: Metrics):
    """The next state if all is finite, else the old one with its counters moved."""
    good = all_finite((nets, extra, metrics))
    before = (state.nets, state.extra)
    nets, extra = jax.tree.map(lambda new, old: jnp.where(good, new, old), (nets, extra), before)
    skipped = state.skipped + jnp.where(good, 0, 1)
    skipped_in_a_row = jnp.where(good, 0, state.skipped_in_a_row + 1)
    after = state.replace(
        step=state.step + 1,
        nets=nets,
        extra=extra,
        skipped=skipped,
        skipped_in_a_row=skipped_in_a_row,
    )
    metrics = metrics | {"skipped": skipped, "skipped_in_a_row": skipped_in_a_row}
    return after, {name: value.astype(jnp.float32) for name, value in metrics.items()}
