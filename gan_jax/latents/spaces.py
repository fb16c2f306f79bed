"""The spaces that a picture can be looked for in: z, w and w+."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.latents.model import Conditions, LatentModel, alone, picture_of, with_variables
from gan_jax.latents.noise_planes import planes_of
from gan_jax.recipe import PyTree

SPACES = ("z", "w", "w+")
MAPPED_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Space:
    """A space of points, a point being a pytree of floats `[…]` without a batch.

    Attributes:
        name: of `SPACES`.
        draw: `(variables, point, fixed) -> image [H, W, C]` in [-1, 1]. `fixed` is what no gradient
            moves: whole numbers of the latents, and the condition.
        mean: of drawn points.
        deviation: the root of their mean squared distance from the mean.
        distances: of the drawn points from the mean, over the deviation, `[N]`, ascending.
        planes: noise planes that the picture also depends on, {} for none.
        keep: what a point is brought back to after every step, None for nothing.
    """

    name: str
    draw: Callable[[Any, PyTree, PyTree], Array]
    mean: PyTree
    deviation: float
    distances: np.ndarray
    planes: PyTree
    keep: Callable[[PyTree], PyTree] | None = None

    def from_mean(self, point: PyTree) -> float:
        """A point's distance from the mean over the deviation: about 1 for drawn ones. In w+ the
        square is the mean over layers."""
        squares = jax.tree.map(
            lambda leaf, mean: float(np.sum(np.square(np.asarray(leaf) - mean))), point, self.mean
        )
        total = sum(jax.tree.leaves(squares))
        layers = len(jax.tree.leaves(point)[0]) if self.name == "w+" else 1
        return float(np.sqrt(total / layers) / self.deviation)


def space_named(name: str, model: LatentModel, latents: PyTree, batch: Conditions) -> Space:
    """Of a model and drawn latents `[N, …]`, from which mean and deviation are measured.

    Raises:
        UsageError: an unknown name, or styles of a generator that has none.
    """
    if name not in SPACES:
        raise UsageError(f"--space={name}: must be one of {', '.join(SPACES)}")
    return _of_z(model, latents) if name == "z" else _of_w(name, model, latents, batch)


def on_sphere(space: Space) -> Space:
    """z of one length only, that of drawn ones: sqrt(D) (Menon et al. 2020, PULSE).

    Raises:
        UsageError: another space.
    """
    if space.name != "z":
        raise UsageError(f"--sphere is for z: drawn {space.name} lie on none")

    def keep(point: PyTree) -> PyTree:
        squares = sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(point)), jnp.zeros(()))
        return jax.tree.map(lambda leaf: leaf * (space.deviation / jnp.sqrt(squares)), point)

    return dataclasses.replace(space, keep=keep)


def mapped(model: LatentModel, latents: PyTree, batch: Conditions) -> np.ndarray:
    """w of latents `[N, …]`, `[N, W]`: that of the first layer, which is that of all."""
    model.require_styles()
    count = len(jax.tree.leaves(latents)[0])
    parts = []
    for start in range(0, count, MAPPED_AT_ONCE):
        rows = slice(start, start + MAPPED_AT_ONCE)
        part = jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[rows], (latents, dict(batch)))
        parts.append(model.styles(*part)[:, 0])
    return np.concatenate(parts)


def floats_of(latents: PyTree) -> dict[str, Any]:
    """The parts of latents that are numbers and not choices, by their path."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(latents)
    return {
        jax.tree_util.keystr(path): leaf
        for path, leaf in leaves
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    }


def with_floats(latents: PyTree, floats: Mapping[str, Any]) -> PyTree:
    """Latents with those parts in the place of their own."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: floats.get(jax.tree_util.keystr(path), leaf), latents
    )


def _of_z(model: LatentModel, latents: PyTree) -> Space:
    def draw(variables: Any, point: PyTree, fixed: PyTree) -> Array:
        base, condition = fixed
        view = with_variables(model.view, variables)
        return picture_of(model.recipe, view, with_floats(base, point), condition)

    # Normal latents have mean 0 and deviation 1 in every dimension: nothing is to be measured.
    floats = {path: np.asarray(leaf) for path, leaf in floats_of(latents).items()}
    mean = {path: np.zeros_like(leaf[0]) for path, leaf in floats.items()}
    deviation = float(np.sqrt(sum(leaf.size for leaf in mean.values())))
    squares = sum(
        (np.square(leaf).reshape(len(leaf), -1).sum(axis=1) for leaf in floats.values()),
        start=np.zeros(()),
    )
    distances = np.sort(np.sqrt(squares)) / deviation
    return Space(
        name="z", draw=draw, mean=mean, deviation=deviation, distances=distances, planes={}
    )


def _of_w(name: str, model: LatentModel, latents: PyTree, batch: Conditions) -> Space:
    drawn = mapped(model, latents, batch)
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[:1], (latents, dict(batch)))
    layers = model.styles(*first).shape[1]
    planes = planes_of(model.variables)
    noise = {"noise": "constant"} if planes else {}
    synthesise = model.recipe.synthesise
    assert synthesise is not None

    def draw(variables: Any, point: Array, fixed: PyTree) -> Array:
        ws = point if name == "w+" else jnp.broadcast_to(point, (layers, *point.shape))
        view = with_variables(model.view, variables)
        return synthesise(view, alone(ws), **noise)[0]

    mean = drawn.mean(axis=0, dtype=np.float64).astype(np.float32)
    distances = np.linalg.norm(drawn - mean, axis=1)
    deviation = float(np.sqrt(np.mean(np.square(distances))))
    return Space(
        name=name,
        draw=draw,
        mean=np.tile(mean, (layers, 1)) if name == "w+" else mean,
        deviation=deviation,
        distances=np.sort(distances) / deviation,
        planes=planes,
    )
