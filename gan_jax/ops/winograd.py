"""Minimal filtering: a convolution of few taps with fewer multiplications.

Winograd's algorithms (1980; for networks: Lavin and Gray 2016, arXiv:1509.09308) write the n
outputs that q taps make of n + q - 1 inputs as n + q - 1 products instead of n · q. Over rows and
columns 9 products take the place of 16 (2 taps) and 16 that of 36 (3 taps); each is one matrix
product over channels. Coefficients are 0, ±1 and ±1/2, so rounding stays that of the plain sum.

The three linear maps (of inputs, of taps, of outputs) are all there is: each face of a convolution
maps its two arguments, multiplies, and applies the third map's adjoint.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

Rows = Sequence[Sequence[float]]
Parts = list[list[Array]]


class Algorithm(NamedTuple):
    """For one axis: row k makes product k's factor of the inputs, of the taps, of the outputs."""

    inputs: Rows
    taps: Rows
    outputs: Rows

    @property
    def tile(self) -> int:
        """Outputs that are made together."""
        return len(self.outputs[0])

    @property
    def products(self) -> int:
        """Multiplications for a tile."""
        return len(self.inputs)


# By the number of taps.
ALGORITHMS = {
    1: Algorithm(inputs=((1,),), taps=((1,),), outputs=((1,),)),
    2: Algorithm(
        inputs=((1, -1, 0), (0, 1, 0), (0, -1, 1)),
        taps=((1, 0), (1, 1), (0, 1)),
        outputs=((1, 0), (1, 1), (0, 1)),
    ),
    3: Algorithm(
        inputs=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        taps=((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        outputs=((1, 0), (1, 1), (1, -1), (0, -1)),
    ),
}

Algorithms = tuple[Algorithm, Algorithm]


def map_inputs(algorithms: Algorithms, x: Array) -> Parts:
    """The inputs' factors, `[B, T, T', C]` each, of `[B, tile · T + taps - 1, …, C]`."""
    rows, columns = algorithms
    return [
        _combine(columns.inputs, _views(part, 2, columns))
        for part in _combine(rows.inputs, _views(x, 1, rows))
    ]


def map_inputs_adjoint(algorithms: Algorithms, parts: Parts) -> Array:
    """Adds the factors' gradients up to that of the inputs."""
    rows, columns = algorithms
    whole = [_overlap(_combine(_turned(columns.inputs), row), 2, columns) for row in parts]
    return _overlap(_combine(_turned(rows.inputs), whole), 1, rows)


def map_outputs(algorithms: Algorithms, parts: Parts) -> Array:
    """The outputs `[B, tile · T, tile' · T', C]` of the products."""
    rows, columns = algorithms
    whole = [_interleave(_combine(_turned(columns.outputs), row), 2) for row in parts]
    return _interleave(_combine(_turned(rows.outputs), whole), 1)


def map_outputs_adjoint(algorithms: Algorithms, y: Array) -> Parts:
    """The outputs' factors `[B, T, T', C]` of outputs `[B, tile · T, tile' · T', C]`."""
    rows, columns = algorithms
    return [
        _combine(columns.outputs, [part[:, :, j :: columns.tile] for j in range(columns.tile)])
        for part in _combine(rows.outputs, [y[:, i :: rows.tile] for i in range(rows.tile)])
    ]


def map_taps(algorithms: Algorithms, weights: Array) -> Parts:
    """The taps' factors `[C, D]` of `[taps, taps', C, D]`."""
    rows, columns = algorithms
    return [_combine(columns.taps, list(part)) for part in _combine(rows.taps, list(weights))]


def map_taps_adjoint(algorithms: Algorithms, parts: Parts) -> Array:
    """The weights' gradient `[taps, taps', C, D]` of their factors'."""
    rows, columns = algorithms
    whole = [jnp.stack(_combine(_turned(columns.taps), row)) for row in parts]
    return jnp.stack(_combine(_turned(rows.taps), whole))


def each(function: Callable[..., Array], *parts: Parts) -> Parts:
    """`function` of every product's factors."""
    return [
        [function(*factors) for factors in zip(*row, strict=True)]
        for row in zip(*parts, strict=True)
    ]


def _combine(coefficients: Rows, values: Sequence[Array]) -> list[Array]:
    """A small matrix times a vector of arrays, without the zeros."""
    return [
        _add(
            value if c == 1 else -value if c == -1 else c * value
            for c, value in zip(row, values, strict=True)
            if c
        )
        for row in coefficients
    ]


def _add(values: Iterable[Array]) -> Array:
    return reduce(operator.add, values)


def _turned(coefficients: Rows) -> Rows:
    return list(zip(*coefficients, strict=True))


def _views(x: Array, axis: int, algorithm: Algorithm) -> list[Array]:
    """Every tile's input 0, every tile's input 1, …, along rows (axis 1) or columns (2)."""
    reach = len(algorithm.inputs[0])
    stop = x.shape[axis] - reach
    slices = (slice(first, first + stop + 1, algorithm.tile) for first in range(reach))
    return [x[:, one] if axis == 1 else x[:, :, one] for one in slices]


def _overlap(views: Sequence[Array], axis: int, algorithm: Algorithm) -> Array:
    """The adjoint of `_views`: tiles put side by side, their last inputs on the next tile's."""
    tile, tiles, reach = algorithm.tile, views[0].shape[axis], len(views)
    spread = -(-reach // tile)

    def placed(view: Array, later: int) -> Array:
        edges = [(0, 0)] * view.ndim
        edges[axis] = (later, spread - 1 - later)
        return jnp.pad(view, edges)

    phases = [
        _add(placed(views[p], p // tile) for p in range(phase, reach, tile))
        for phase in range(tile)
    ]
    whole = _interleave(phases, axis)
    size = tile * tiles + reach - tile
    return whole[:, :size] if axis == 1 else whole[:, :, :size]


def _interleave(phases: Sequence[Array], axis: int) -> Array:
    if len(phases) == 1:
        return phases[0]
    shape = list(phases[0].shape)
    shape[axis] *= len(phases)
    return jnp.stack(phases, axis=axis + 1).reshape(shape)
