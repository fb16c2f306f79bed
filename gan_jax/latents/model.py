"""A run's generator as a function of single latents, all under one noise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from gan_jax.errors import UsageError
from gan_jax.evaluators.samples import sampling_nets
from gan_jax.ops.pixels import to_uint8
from gan_jax.recipe import Batch, Nets, PyTree, Recipe
from gan_jax.state import NetState

BLOCK = 64
"""Latents that are worked on at once."""

Conditions = Mapping[str, Any]
"""What latents are drawn under, `[N, …]` by their names in a batch."""


class LatentModel:
    """Pictures and styles of latents, on the host.

    Each latent is drawn as a batch of one, and all with the same noise: what differs between two
    pictures differs by their latents and conditions alone, and no picture depends on its
    neighbours. Where a recipe has several generators, which share a batch, the first draws all.

    Args:
        recipe: one that generates.
        nets: of the state.
        frozen: variables of the frozen networks.
        key: of the noise.
        ema: averaged parameters where there are some.

    Attributes:
        recipe: as given.
        view: the networks in evaluation mode.
    """

    def __init__(
        self,
        recipe: Recipe,
        nets: Mapping[str, NetState],
        frozen: Mapping[str, PyTree],
        key: Array,
        ema: bool = True,
    ):
        if recipe.generate is None:
            raise ValueError("this recipe generates no pictures")
        self.recipe = recipe
        self.view = sampling_nets(recipe, nets, frozen, key, ema)
        self._pictures = jax.jit(functools.partial(_pictures, self.view, recipe))
        self._styles = jax.jit(functools.partial(_styles, self.view, recipe))
        self._synthesised = jax.jit(functools.partial(_synthesised, self.view, recipe))

    @property
    def variables(self) -> Mapping[str, PyTree]:
        """Of the networks, by name."""
        return self.view.variables

    def pictures(
        self, latents: PyTree, batch: Conditions, truncation: ArrayLike = 1.0
    ) -> np.ndarray:
        """uint8 `[N, H, W, C]` of latents and conditions `[N, …]`; `truncation` is a number or one
        for each, `[N]`."""
        count = len(jax.tree.leaves(latents)[0])
        each = np.broadcast_to(np.asarray(truncation, np.float32), (count,))
        return self._in_blocks(self._pictures, (latents, dict(batch), each))

    def styles(self, latents: PyTree, batch: Conditions) -> np.ndarray:
        """`ws [N, L, W]`; raises UsageError where the generator has none."""
        self.require_styles()
        return self._in_blocks(self._styles, (latents, dict(batch)))

    def synthesise(self, ws: np.ndarray) -> np.ndarray:
        """uint8 `[N, H, W, C]` of `ws [N, L, W]`; errors as of `styles`."""
        self.require_styles()
        return self._in_blocks(self._synthesised, ws)

    def encode(self, images: np.ndarray, batch: Conditions) -> PyTree:
        """Latents `[N, …]` of pictures `[N, H, W, C]` in [-1, 1], under their conditions."""
        encode = self.recipe.encode
        if encode is None:
            raise ValueError("this recipe encodes no pictures")
        function = jax.jit(lambda v, batch: encode(with_variables(self.view, v), batch))
        return jax.tree.map(np.asarray, function(self.variables, {**batch, "image": images}))

    def require_styles(self) -> None:
        """Raises UsageError where the generator has no styles."""
        if self.recipe.styles is None or self.recipe.synthesise is None:
            names = ", ".join(sorted({type(m).__name__ for m in self.recipe.networks.values()}))
            raise UsageError(
                f"this model has no intermediate latents w (its networks are {names}); StyleGAN "
                "and StyleGAN2 with drawing=Styled(…) have"
            )

    def _in_blocks(self, function: Callable[..., Array], rows: PyTree) -> np.ndarray:
        """`function(variables, rows)` of rows `[N, …]`, in blocks of one size."""
        count = len(jax.tree.leaves(rows)[0])
        made = []
        for start in range(0, count, BLOCK):
            at = np.minimum(np.arange(start, start + BLOCK), count - 1)
            block = jax.tree.map(lambda leaf, at=at: np.asarray(leaf)[at], rows)
            made.append(np.asarray(function(self.variables, block)))
        return np.concatenate(made)[:count]


def with_variables(view: Nets, variables: Mapping[str, PyTree]) -> Nets:
    """The same networks with other variables."""
    return Nets(view.modules, variables, view.key, train=False)


def alone(tree: PyTree) -> PyTree:
    """One example `[…]` as a batch of one, `[1, …]`."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], tree)


def picture_of(
    recipe: Recipe, view: Nets, latent: PyTree, condition: Batch, truncation: Any = 1.0
) -> Array:
    """`[H, W, C]` in [-1, 1] of one latent."""
    assert recipe.generate is not None
    return recipe.generate(view, alone(latent), alone(condition), jnp.asarray(truncation))[0]


def _pictures(view: Nets, recipe: Recipe, variables: Mapping[str, PyTree], rows: Any) -> Array:
    view = with_variables(view, variables)
    return to_uint8(jax.vmap(lambda row: picture_of(recipe, view, *row))(rows))


def _styles(view: Nets, recipe: Recipe, variables: Mapping[str, PyTree], rows: Any) -> Array:
    assert recipe.styles is not None
    return recipe.styles(with_variables(view, variables), *rows)


def _synthesised(view: Nets, recipe: Recipe, variables: Mapping[str, PyTree], ws: Array) -> Array:
    assert recipe.synthesise is not None
    synthesise, view = recipe.synthesise, with_variables(view, variables)
    return to_uint8(jax.vmap(lambda w: synthesise(view, w[None])[0])(ws))
