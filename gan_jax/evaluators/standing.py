"""Standing statistics: batch normalisation's means and variances, measured anew for a generator.

Running averages lag behind the weights and belong to the raw ones, not to their EMA. BigGAN (Brock
et al. 2019, appendix C) averages the statistics of many batches of the generator that is sampled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.recipe import Batch, Nets, PyTree

BATCH_STATISTICS = "batch_stats"
"""Flax's name of the collection."""

Generate = Callable[[Nets, PyTree, Batch, Array], Array]


@dataclasses.dataclass(frozen=True)
class Observed(Nets):
    """Nets that note what their calls did to the statistics, for a function that drops it."""

    moved: dict[str, PyTree] = dataclasses.field(default_factory=dict)

    def __call__(self, name: str, *arguments: Any, **keywords: Any) -> tuple[Any, Observed]:
        out, after = super().__call__(name, *arguments, **keywords)
        assert isinstance(after, Observed)
        if BATCH_STATISTICS in after.variables[name]:
            self.moved[name] = after.variables[name][BATCH_STATISTICS]
        return out, after


def batch_statistics(
    generate: Generate, nets: Nets, latents: PyTree, batch: Batch
) -> dict[str, PyTree]:
    """By network, the statistics of this one batch.

    A layer moves its average s by a batch's statistic b to m s + (1 - m) b, with a momentum m of
    its own. From s = 0 and s = 1 both m and b follow, so that no layer need tell its momentum.

    Args:
        generate: as of a recipe.
        nets: the parameters to sample with.
        latents: `[B, …]`.
        batch: the conditions `[B, …]`.
    """
    from_zero = _moved_from(0.0, generate, nets, latents, batch)
    from_one = _moved_from(1.0, generate, nets, latents, batch)
    return jax.tree.map(lambda zero, one: zero / (1.0 - (one - zero)), from_zero, from_one)


def _moved_from(
    start: float, generate: Generate, nets: Nets, latents: PyTree, batch: Batch
) -> dict[str, PyTree]:
    """The statistics after one training call on these rows, from all of them equal to `start`."""
    variables = {
        name: {**collections, BATCH_STATISTICS: _filled(collections[BATCH_STATISTICS], start)}
        if BATCH_STATISTICS in collections
        else collections
        for name, collections in nets.variables.items()
    }
    moved: dict[str, PyTree] = {}
    view = Observed(nets.modules, variables, nets.key, train=True, frozen=nets.frozen, moved=moved)
    generate(view, latents, batch, jnp.ones(()))
    return moved


def _filled(statistics: PyTree, value: float) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value), statistics)
