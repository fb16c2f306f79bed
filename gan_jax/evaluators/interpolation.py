"""Interpolations: rows that lead from one latent to another."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.evaluators.evaluator import Evaluation, Measure, World
from gan_jax.evaluators.generated import BLOCK, Generated, Sampling, Subject
from gan_jax.evaluators.path_length import along
from gan_jax.images import grid
from gan_jax.recipe import PyTree


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpolation:
    """A picture of `rows` walks of `columns` pictures between latents, and their `detour`.

    A walk follows the great circle through its two ends, for the middle of a straight line between
    two normal latents is shorter than a latent of training ever is (White 2016). The detour is the
    length of the way through the pictures over the distance of its ends: 1 for a plain cross-fade,
    more the more happens between. A row keeps the label of its start.
    """

    name: str = "interpolation"
    every: str = ""
    rows: int = 8
    columns: int = 9
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = ("detour",)

    def open(self, world: World) -> Measure:
        generated = world.generator()
        count = self.rows * self.columns
        sampling = Sampling(samples=count, seed=self.seed, ema=self.ema)

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = dataclasses.replace(sampling, seed=seed)
            pictures = self._pictures(generated, subject, drawn)
            cells = pictures.reshape(self.rows, self.columns, *pictures.shape[1:])
            return Evaluation(
                metrics={"detour": {"value": detour(cells)}},
                protocol={"space": "pixels", "path": "great circle"},
                sampling=generated.describe(drawn),
                pictures={"interpolation": grid(pictures, self.columns)},
            )

        return measure

    def _pictures(self, generated: Generated, subject: Subject, sampling: Sampling) -> np.ndarray:
        latents, batch, key = generated.inputs(2 * self.rows, sampling.seed)
        start = np.repeat(np.arange(self.rows), self.columns)
        start = np.resize(start, -(-len(start) // BLOCK) * BLOCK)
        position = np.resize(np.linspace(0.0, 1.0, self.columns, dtype=np.float32), len(start))
        walks = jax.tree.map(lambda leaf: _between(leaf, start, self.rows, position), latents)
        rows = jax.tree.map(lambda leaf: np.asarray(leaf)[start], batch)
        return np.concatenate(list(generated.of(subject, walks, rows, key, sampling)))


def _between(leaf: Array, start: np.ndarray, offset: int, position: np.ndarray) -> PyTree:
    """Rows of `leaf` at `start` lead to those `offset` further; whole numbers stay."""
    a, b = leaf[start], leaf[start + offset]
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return a
    return along(a, b, jnp.asarray(position))


def detour(cells: np.ndarray) -> float:
    """Of walks uint8 `[R, C, H, W, D]`: the sum of the neighbours' Euclidean distances over that of
    the ends, of the means over rows; 1.0 where nothing moves."""
    values = cells.astype(np.float64).reshape(*cells.shape[:2], -1)
    way = np.linalg.norm(np.diff(values, axis=1), axis=-1).sum(axis=1).mean()
    straight = np.linalg.norm(values[:, -1] - values[:, 0], axis=-1).mean()
    return float(way / straight) if straight > 0 else 1.0
