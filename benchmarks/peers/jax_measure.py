"""gan_jax's losses and gradients before any update, and the weights and inputs they were taken at.

The losses are those of the recipe itself. Only what it draws is given: z, and the y of path
lengths.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.peers.jax_round import initial_state, recipe_of
from benchmarks.peers.work import Work
from gan_jax.ops.pixels import prepare
from gan_jax.recipe import Nets, Phase, Recipe
from gan_jax.recipes.drawing import Direct, Styled
from gan_jax.recipes.generator_regularisers import Made, path_length

Variables = dict[str, dict[str, Any]]
Measured = dict[str, dict[str, float]]
PATH_SEED = 2


@dataclasses.dataclass(frozen=True)
class GivenLatents(Direct):
    """Draws every picture from this z `[B, Z]`."""

    z: Array

    def train(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        return nets(name, self.z, label)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenStyles(Styled):
    """Likewise, through styles that are not mixed."""

    z: Array

    def styles(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        return nets(name, self.z[: len(z)], label, method="map")


def measure(work: Work) -> tuple[Variables, dict[str, np.ndarray], Measured]:
    """The networks' variables by name, what both sides are given, and what came of it: `loss` and
    `gradient_norm` by phase, `parameters` by network.

    Given are `image` uint8 `[B, H, W, C]`, `label` int32 `[B]`, `z` `[B, Z]` and `path_noise`
    `[B / 2, H, W, C]`.
    """
    given = _given(work)
    recipe = _recipe(work, jnp.asarray(given["z"]))
    state = initial_state(work, recipe)
    variables = {
        name: {"params": awake(net.params), **jax.tree.map(np.asarray, net.stats)}
        for name, net in state.nets.items()
    }
    batch = {"image": given["image"]} | ({"label": given["label"]} if work.classes else {})
    batch = prepare(jax.tree.map(jnp.asarray, batch))
    measured: Measured = {"loss": {}, "gradient_norm": {}, "parameters": {}}
    with jax.default_matmul_precision("highest"):
        for phase in recipe.phases:
            found = jax.jit(functools.partial(_loss_and_norm, recipe, phase))(variables, batch)
            measured["loss"][phase.name], measured["gradient_norm"][phase.name] = map(float, found)
    for name, net in state.nets.items():
        measured["parameters"][name] = sum(leaf.size for leaf in jax.tree.leaves(net.params))
    return variables, given, measured


def awake(params: Any) -> Any:
    """Every parameter moved a little, NumPy: many layers start at zero, and what a zero hides
    cannot be compared."""
    generator = np.random.default_rng(3)

    def moved(leaf: Array) -> np.ndarray:
        array = np.asarray(leaf)
        size = np.sqrt(np.mean(np.square(array))) or 1 / np.sqrt(np.prod(array.shape[:-1]))
        return array + (0.1 * size * generator.normal(size=array.shape)).astype(np.float32)

    return jax.tree.map(moved, params)


def _given(work: Work) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    shape = (work.batch, work.size, work.size, work.channels)
    half = (max(1, work.batch // 2), *shape[1:])
    # What `generator_regularisers.path_length` makes of the key that it is handed.
    noise_key = jax.random.split(jax.random.key(PATH_SEED))[1]
    return {
        "image": generator.integers(0, 256, shape, np.uint8),
        "label": generator.integers(0, max(1, work.classes), work.batch, np.int32),
        "z": generator.normal(size=(work.batch, work.latent_size)).astype(np.float32),
        "path_noise": np.asarray(jax.random.normal(noise_key, half)),
    }


def _recipe(work: Work, z: Array) -> Recipe:
    """The work's, on the given z and y."""
    styled = work.family == "stylegan2"
    drawing = GivenStyles(mixing=0.0, noise="none", z=z) if styled else GivenLatents(z)
    term = path_length(every=work.path_length_every)

    def lengths(made: Made, mean: Any) -> tuple[Array, Any]:
        return term.measure(made._replace(key=jax.random.key(PATH_SEED)), mean)

    return recipe_of(work, drawing, dataclasses.replace(term, measure=lengths))


def _loss_and_norm(recipe: Recipe, phase: Phase, variables: Variables, batch: Any):
    """A phase's loss, and the norm of its gradient in all that it trains."""
    values = {**recipe.values, "replicas": 1.0}
    values = {name: jnp.asarray(value) for name, value in values.items()}

    def loss(trained: dict[str, Any]) -> Array:
        seen = {
            name: {**collections, "params": trained.get(name, collections["params"])}
            for name, collections in variables.items()
        }
        nets = Nets(recipe.networks, seen, jax.random.key(0))
        return phase.loss(nets, recipe.extra, batch, jax.random.key(1), values)[0]

    value, gradients = jax.value_and_grad(loss)(
        {name: variables[name]["params"] for name in phase.trains}
    )
    return value, optax.global_norm(gradients)
