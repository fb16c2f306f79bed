"""An experiment made runnable: its recipe on a mesh, compiled when first called."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh

from gan_jax import settings
from gan_jax.errors import UsageError
from gan_jax.experiment import Experiment, guarded
from gan_jax.mesh import (
    AXIS,
    check_batch,
    compile_rounds,
    make_mesh,
    replicated,
    rows_sharding,
)
from gan_jax.recipe import PyTree, Recipe
from gan_jax.state import TrainState, init
from gan_jax.step import Rounds, Step, make_rounds, make_step
from gan_jax.weights.store import Weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What runs, before anything has run.

    Attributes:
        recipe: of the experiment.
        optimizers: by network.
        mesh: the devices.
        weights: of the frozen networks, and where they come from.
        frozen: their variables, on every device.
        abstract_state: shapes, dtypes and shardings of the state.
        initial: `key -> state` at step 0, compiled.
        rounds: `(state, frozen, batches, count) -> (state, metrics)`, jitted, state donated.
        abstract_batches: shapes, dtypes and shardings of a call's batches `[K, R, B, …]`.
    """

    recipe: Recipe
    optimizers: Mapping[str, optax.GradientTransformation]
    mesh: Mesh
    weights: Mapping[str, Weights]
    frozen: Mapping[str, PyTree]
    abstract_state: TrainState
    initial: Callable[[Array], TrainState]
    rounds: Any
    abstract_batches: Mapping[str, jax.ShapeDtypeStruct]

    def own(self, state: TrainState) -> TrainState:
        """The same state in buffers of each device's own: virtual CPU devices may share those of
        a state that was put on them, and a donated one must not be anyone else's."""
        sharding = replicated(self.mesh)
        return jax.jit(lambda tree: jax.tree.map(jnp.copy, tree), out_shardings=sharding)(state)

    def lower(self) -> Any:
        """`rounds`, traced for these shapes."""
        return self.rounds.lower(*self._abstract_arguments())

    def compile(self) -> Any:
        """`rounds`, compiled now and for these shapes."""
        return self.lower().compile()

    def metrics(self) -> tuple[str, ...]:
        """Names of what a round measures; traces it, so an error in a loss comes to light."""
        return tuple(jax.eval_shape(self.rounds, *self._abstract_arguments())[1])

    def _abstract_arguments(self) -> tuple[Any, ...]:
        count = jax.ShapeDtypeStruct((), jnp.int32)
        return self.abstract_state, self.frozen, self.abstract_batches, count


def build(experiment: Experiment) -> Program:
    """Traces the experiment; needs neither data nor a run directory.

    Raises:
        UsageError: a setting, a network or a batch that does not go together or onto the devices.
    """
    config = experiment.config
    settings.check(config)
    mesh = make_mesh(config.mesh.devices)
    check_batch(config.batch_size, config.accumulate, mesh)
    recipe, optimizers = experiment.recipe(), experiment.optimizers()
    weights = frozen_weights(experiment, recipe)
    settings.check_sizes(recipe.networks)
    settings.check_precision(config.precision, recipe.networks)
    initial = functools.partial(init, recipe, optimizers, batch_spec=experiment.batch_spec())
    whole = replicated(mesh)
    shapes = guarded(experiment.path, lambda: jax.eval_shape(initial, jax.random.key(0)))
    abstract_state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), shapes
    )
    rounds = guarded(experiment.path, lambda: make_program(experiment, recipe, optimizers))
    return Program(
        recipe=recipe,
        optimizers=optimizers,
        mesh=mesh,
        weights=weights,
        frozen=jax.device_put({name: each.variables for name, each in weights.items()}, whole),
        abstract_state=abstract_state,
        initial=jax.jit(initial, out_shardings=whole),
        rounds=compile_rounds(rounds, mesh, config.mesh.view),
        abstract_batches={
            name: jax.ShapeDtypeStruct(
                (config.steps_per_call, recipe.batches_per_round, *leaf.shape),
                leaf.dtype,
                sharding=rows_sharding(mesh),
            )
            for name, leaf in experiment.batch_spec().items()
        },
    )


def frozen_weights(experiment: Experiment, recipe: Recipe) -> dict[str, Weights]:
    """Raises UsageError where the file finds weights for other networks than the recipe freezes."""
    weights = experiment.frozen()
    if weights.keys() != recipe.frozen.keys():
        wanted, found = (", ".join(sorted(names)) or "none" for names in (recipe.frozen, weights))
        raise UsageError(
            f"{experiment.path}: get_frozen finds weights for: {found}; "
            f"the recipe freezes: {wanted}"
        )
    return weights


def step_of(
    experiment: Experiment, recipe: Recipe, optimizers: Mapping[str, optax.GradientTransformation]
) -> Step:
    """The pure step with the experiment's settings."""
    config = experiment.config
    axis_name = AXIS if config.mesh.view == "per_device" else None
    return make_step(recipe, optimizers, accumulate=config.accumulate, axis_name=axis_name)


def make_program(
    experiment: Experiment, recipe: Recipe, optimizers: Mapping[str, optax.GradientTransformation]
) -> Rounds:
    """The pure rounds of one call with the experiment's settings."""
    step = step_of(experiment, recipe, optimizers)
    return make_rounds(step, experiment.config.steps_per_call)


def use_compilation_cache() -> None:
    """Keeps compiled programs in a folder of the user's cache, unless JAX is told of another."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "gan_jax" / "compilation"))
