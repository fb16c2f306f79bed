"""One phase's share of a round: gradients, accumulation, turns, optimizer updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from gan_jax.recipe import Batch, Nets, Phase, PyTree, Recipe
from gan_jax.state import NetState, injected, with_injected

Metrics = dict[str, Array]
NetStates = dict[str, NetState]
Moved = tuple[NetStates, PyTree, Metrics]
"""What an update leaves behind: networks, the recipe's extra, and what it measured."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update:
    """How a phase is run within one round.

    Attributes:
        recipe: the experiment.
        optimizers: by network.
        accumulate: parts that each real batch is taken in.
        axis_name: the mapped axis of the per-device view, else None.
        frozen: variables of the frozen networks by name.
        values: this round's named scalars.
    """

    recipe: Recipe
    optimizers: Mapping[str, optax.GradientTransformation]
    accumulate: int
    axis_name: str | None
    frozen: Mapping[str, PyTree]
    values: Mapping[str, Array]

    def run(
        self, phase: Phase, nets: NetStates, extra: PyTree, batches: Batch, key: Array
    ) -> Moved:
        """All turns of one phase on its batches of `[R, B, …]`."""
        if phase.repeat == 1:
            batch = jax.tree.map(lambda leaf: leaf[phase.batch], batches)
            return self._turn(phase, nets, extra, batch, key)

        def body(carry, inputs):
            (nets, extra), (index, batch) = carry, inputs
            turn_key = jax.random.fold_in(key, index)
            nets, extra, metrics = self._turn(phase, nets, extra, batch, turn_key)
            return (nets, extra), metrics

        span = slice(phase.batch, phase.batch + phase.repeat)
        turns = (jnp.arange(phase.repeat), jax.tree.map(lambda leaf: leaf[span], batches))
        (nets, extra), metrics = lax.scan(body, (nets, extra), turns)
        return nets, extra, _mean_over_first_axis(metrics)

    def _turn(
        self, phase: Phase, nets: NetStates, extra: PyTree, batch: Batch, key: Array
    ) -> Moved:
        """One optimizer update of each network that the phase trains."""
        grads, stats, extra, metrics = self._accumulated(phase, nets, extra, batch, key)
        after = {name: net.replace(stats=stats[name]) for name, net in nets.items()}
        for name in phase.trains:
            params = nets[name].params
            opt = self._with_values(name, nets[name].opt)
            updates, opt = self.optimizers[name].update(grads[name], opt, params)
            after[name] = after[name].replace(params=optax.apply_updates(params, updates), opt=opt)
        return after, extra, metrics

    def _with_values(self, network: str, opt: PyTree) -> PyTree:
        """The optimizer state with this round's values as its injected hyperparameters."""
        return with_injected(
            opt, {name: self.values[f"{network}.{name}"] for name in injected(opt)}
        )

    def _accumulated(self, phase: Phase, nets: NetStates, extra: PyTree, batch: Batch, key: Array):
        """Gradients and metrics averaged over a batch's parts; statistics and extra threaded."""
        if self.accumulate == 1:
            return self._over_devices(self._gradients(phase, nets, extra, batch, key))

        def part(threaded, inputs):
            stats, extra = threaded
            index, batch = inputs
            seen = {name: net.replace(stats=stats[name]) for name, net in nets.items()}
            part_key = jax.random.fold_in(key, index)
            grads, stats, extra, metrics = self._gradients(phase, seen, extra, batch, part_key)
            return self._over_devices((stats, extra)), (grads, metrics)

        def add(carry, inputs):
            threaded, total = carry
            threaded, measured = part(threaded, inputs)
            return (threaded, jax.tree.map(jnp.add, total, measured)), None

        parts = jax.tree.map(lambda leaf: _split(leaf, self.accumulate), dict(batch))
        inputs = (jnp.arange(self.accumulate), parts)
        threaded = ({name: net.stats for name, net in nets.items()}, extra)
        shapes = jax.eval_shape(part, threaded, jax.tree.map(lambda leaf: leaf[0], inputs))[1]
        total = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        ((stats, extra), total), _ = lax.scan(add, (threaded, total), inputs)
        # One sum over devices for all parts, not one for each.
        mean = jax.tree.map(lambda leaf: leaf / self.accumulate, total)
        grads, metrics = self._over_devices(mean)
        return grads, stats, extra, metrics

    def _over_devices(self, tree: PyTree) -> PyTree:
        """The mean over the devices of the per-device view; elsewhere nothing."""
        return tree if self.axis_name is None else lax.pmean(tree, self.axis_name)

    def _gradients(self, phase: Phase, nets: NetStates, extra: PyTree, batch: Batch, key: Array):
        """This device's gradients by network, and what the loss moved: statistics, extra,
        metrics."""
        modules = {**self.recipe.networks, **self.recipe.frozen}
        nets_key, loss_key = jax.random.split(key)

        def loss(trained: dict[str, PyTree]):
            variables = {
                name: {"params": trained.get(name, net.params), **net.stats}
                for name, net in nets.items()
            }
            view = Nets(
                modules, {**variables, **self.frozen}, nets_key, frozen=frozenset(self.frozen)
            )
            scalar, aux = phase.loss(view, extra, batch, loss_key, self.values)
            stats = {name: _without_params(aux.nets.variables[name]) for name in nets}
            return scalar, (stats, aux.extra, {"loss": scalar, **aux.metrics})

        trained = {name: nets[name].params for name in phase.trains}
        (_, moved), grads = jax.value_and_grad(loss, has_aux=True)(trained)
        return grads, *moved


def every(count: int, step: Array, due: Callable[..., Moved], nets: NetStates, extra: Any) -> Moved:
    """Runs `due(nets, extra)` in rounds that are multiples of `count`; in the others everything
    passes through, with zero metrics."""
    if count == 1:
        return due(nets, extra)
    metrics = jax.eval_shape(due, nets, extra)[2]

    def skip(nets: NetStates, extra: PyTree) -> Moved:
        return nets, extra, jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), metrics)

    return lax.cond(step % count == 0, due, skip, nets, extra)


def _without_params(variables: Mapping[str, PyTree]) -> dict[str, PyTree]:
    return {name: collection for name, collection in variables.items() if name != "params"}


def _mean_over_first_axis(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), tree)


def _split(leaf: Array, parts: int) -> Array:
    """`[B, …] -> [parts, B / parts, …]`; part p takes rows p, p + parts, …, so that a batch that
    is sharded over devices stays so in every part."""
    shape = (leaf.shape[0] // parts, parts, *leaf.shape[1:])
    return jnp.moveaxis(leaf.reshape(shape), 1, 0)
