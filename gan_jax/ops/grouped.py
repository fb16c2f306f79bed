"""A grouped convolution's three faces: those of a form for one group, over all groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.ops.blocks import Geometry

# Measured on CPU: what is made of so much, windows or the factors of minimal filtering, stays in
# the caches until it is multiplied; of all groups together it takes up to twice as long.
BYTES_AT_ONCE = 2 * 2**20


class Faces(Protocol):
    """Three faces of a convolution of one group, as in `ops/windows.py`."""

    convolve: Callable[[Geometry, Array, Array], Array]
    input_gradient: Callable[[Geometry, Array, Array], Array]
    kernel_gradient: Callable[[Geometry, Array, Array], Array]


@dataclass(frozen=True)
class OverGroups:
    """The faces over all channels: inputs `[B, H, W, G · I]`, kernel `[kh, kw, I, G · O]`.

    Groups go in front once, so that every matrix product is one batched product with contiguous
    operands; between them a picture's windows are those of its group's few channels. Many groups
    take turns, as many at a time as the caches hold.
    """

    form: Faces

    def convolve(self, geometry: Geometry, x: Array, kernel: Array) -> Array:
        """The output `[B, h, w, G · O]`."""
        return _each(self.form.convolve, geometry, x, kernel)

    def input_gradient(self, geometry: Geometry, y: Array, kernel: Array) -> Array:
        """The adjoint of `convolve` in its input: `[B, H, W, G · I]`."""
        return _each(self.form.input_gradient, geometry, y, kernel)

    def kernel_gradient(self, geometry: Geometry, x: Array, y: Array) -> Array:
        """The adjoint of `convolve` in its kernel: `[kh, kw, I, G · O]`."""
        return _each(self.form.kernel_gradient, geometry, x, y)


def _each(face, geometry: Geometry, left: Array, right: Array) -> Array:
    parts = _split(left, geometry.groups), _split(right, geometry.groups)
    at_once = _at_once(parts[0])
    if at_once == geometry.groups:
        return _join(jax.vmap(partial(face, geometry))(*parts))
    return _join(lax.map(lambda pair: face(geometry, *pair), parts, batch_size=at_once))


def _at_once(pictures: Array) -> int:
    """The largest divisor of the groups, in front of `[G, B, H, W, C]`, whose pictures fit."""
    groups, size = len(pictures), pictures.nbytes
    divisors = (count for count in range(groups, 0, -1) if groups % count == 0)
    return next((count for count in divisors if size * count <= BYTES_AT_ONCE * groups), 1)


def _split(array: Array, groups: int) -> Array:
    """Takes the groups, neighbours in the last axis, to the front."""
    return jnp.moveaxis(array.reshape(*array.shape[:-1], groups, -1), -2, 0)


def _join(parts: Array) -> Array:
    """The inverse of `_split`."""
    array = jnp.moveaxis(parts, 0, -2)
    return array.reshape(*array.shape[:-2], -1)
