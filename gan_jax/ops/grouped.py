"""A grouped convolution's three faces: those of a form for one group, batched over the groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.ops.blocks import Geometry


class Faces(Protocol):
    """Three faces of a convolution of one group, as in `ops/windows.py`."""

    convolve: Callable[[Geometry, Array, Array], Array]
    input_gradient: Callable[[Geometry, Array, Array], Array]
    kernel_gradient: Callable[[Geometry, Array, Array], Array]


@dataclass(frozen=True)
class OverGroups:
    """The faces over all channels: inputs `[B, H, W, G · I]`, kernel `[kh, kw, I, G · O]`.

    Groups go in front once, so that every matrix product is one batched product with contiguous
    operands; between them a picture's windows are those of its group's few channels.
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
    groups = geometry.groups
    return _join(jax.vmap(partial(face, geometry))(_split(left, groups), _split(right, groups)))


def _split(array: Array, groups: int) -> Array:
    """Takes the groups, neighbours in the last axis, to the front."""
    return jnp.moveaxis(array.reshape(*array.shape[:-1], groups, -1), -2, 0)


def _join(parts: Array) -> Array:
    """The inverse of `_split`."""
    array = jnp.moveaxis(parts, 0, -2)
    return array.reshape(*array.shape[:-2], -1)
