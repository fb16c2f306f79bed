"""A generator's noise planes as unknowns (Karras et al. 2020, appendix D)."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.recipe import PyTree

COLLECTION = "noise"
SMALLEST = 8
"""Pixels a side at which a plane is halved no further."""


def planes_of(variables: Mapping[str, PyTree]) -> PyTree:
    """The planes `[H, W, 1]` of all networks, by network; empty where there are none."""
    return {name: held[COLLECTION] for name, held in variables.items() if COLLECTION in held}


def with_planes(variables: Mapping[str, PyTree], planes: PyTree) -> dict[str, PyTree]:
    """The networks' variables with these planes."""
    changed = {name: {**variables[name], COLLECTION: held} for name, held in planes.items()}
    return {**variables, **changed}


def neighbour_correlation(planes: PyTree) -> Array:
    """`[]`: of every plane the squared mean products with its neighbours to the left and above, at
    every size down to 8x8, added up; 0 for white noise of infinite size.

    A plane is halved by the mean of 2x2 pixels times 2, which keeps the variance of white noise.
    """
    return sum((_of_plane(plane[..., 0]) for plane in jax.tree.leaves(planes)), jnp.zeros(()))


def normalised(planes: PyTree) -> PyTree:
    """Every plane `[H, W, 1]` brought to mean 0 and variance 1."""

    def standard(plane: Array) -> Array:
        centred = plane - jnp.mean(plane)
        return centred * lax.rsqrt(jnp.mean(jnp.square(centred)))

    return jax.tree.map(standard, planes)


def _of_plane(plane: Array) -> Array:
    total = jnp.zeros(())
    while True:
        shifted = (jnp.roll(plane, 1, axis) for axis in (0, 1))
        total += sum(jnp.square(jnp.mean(plane * other)) for other in shifted)
        if plane.shape[0] <= SMALLEST:
            return total
        plane = lax.reduce_window(plane, 0.0, lax.add, (2, 2), (2, 2), "VALID") / 2
