"""Matrices of a batch in homogeneous coordinates: `[B, 3, 3]` of the plane, `[B, 4, 4]` of RGB."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import jax.numpy as jnp
from jax import Array, lax

Entry = Array | float


def matrix(rows: Sequence[Sequence[Entry]]) -> Array:
    """Entries are numbers or arrays `[B]`, at least one an array: `[B, rows, columns]`."""
    entries = jnp.broadcast_arrays(*(entry for row in rows for entry in row))
    return jnp.stack(entries, axis=-1).reshape(-1, len(rows), len(rows[0]))


def product(matrices: Sequence[Array]) -> Array:
    """From left to right, in full precision on every backend."""
    return reduce(lambda a, b: jnp.matmul(a, b, precision=lax.Precision.HIGHEST), matrices)


def translation(x: Array, y: Array) -> Array:
    """Of the plane."""
    return matrix([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: Array, y: Array) -> Array:
    """Of the plane, about the origin."""
    return matrix([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]])


def rotation(angle: Array) -> Array:
    """Of the plane, about the origin, from x towards y, in radians."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return matrix([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
