"""Recipes small enough to compute by hand, and how to run them."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from gan_jax.mesh import replicated
from gan_jax.recipe import Aux, Phase, Recipe
from gan_jax.state import TrainState, init

SIZE = 8


class Line(nn.Module):
    """y = x w + b, with an optional running mean of its input as statistics."""

    counts: bool = False

    @nn.compact
    def __call__(self, x, *, train):
        if self.counts:
            seen = self.variable("batch_stats", "seen", lambda: jnp.zeros(()))
            if train and not self.is_initializing():
                seen.value = seen.value + 1.0
        return nn.Dense(1)(x.reshape(len(x), -1))[:, 0]


def spec(size: int = SIZE) -> dict[str, jax.ShapeDtypeStruct]:
    return {"image": jax.ShapeDtypeStruct((size, 2, 2, 1), jnp.uint8)}


def batches(rounds: int, per_round: int, size: int = SIZE) -> dict[str, np.ndarray]:
    """`[rounds, per_round, size, 2, 2, 1]`."""
    generator = np.random.default_rng(0)
    shape = (rounds, per_round, size, 2, 2, 1)
    return {"image": generator.integers(0, 256, shape, dtype=np.uint8)}


def mean_square(name: str):
    """A loss that pulls network `name` towards 1 on the batch."""

    def loss(nets, extra, batch, key, values):
        out, nets = nets(name, batch["image"])
        return jnp.mean(jnp.square(out - 1.0)), Aux(nets, extra, {"mean": jnp.mean(out)})

    return loss


def recipe(*phases: Phase, counts: bool = False, **settings: Any) -> Recipe:
    """Networks `a` and `b` on pictures of 2x2."""
    return Recipe(
        networks={"a": Line(counts), "b": Line(counts)},
        phases=phases,
        inputs=lambda batch: {"a": (batch["image"],), "b": (batch["image"],)},
        **settings,
    )


def optimizers(rate: float = 0.1) -> dict[str, optax.GradientTransformation]:
    return {name: optax.inject_hyperparams(optax.sgd)(rate) for name in ("a", "b")}


def start(made: Recipe, rate: float = 0.1, mesh: Mesh | None = None) -> TrainState:
    """The state at step 0; on a mesh each device gets buffers of its own, as donation needs."""

    def initial():
        return init(made, optimizers(rate), jax.random.key(0), spec())

    return initial() if mesh is None else jax.jit(initial, out_shardings=replicated(mesh))()


def leaves(state: TrainState) -> list[np.ndarray]:
    """All leaves, the key as its data."""
    plain = state.replace(key=jax.random.key_data(state.key))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(plain)]


def assert_bit_equal(a: TrainState, b: TrainState) -> None:
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def assert_close(a: TrainState, b: TrainState, tolerance: float) -> None:
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
