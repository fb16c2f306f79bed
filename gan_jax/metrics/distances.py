"""Squared distances between all rows of two sets, exact where it matters, at float32's price.

|x|^2 + |y|^2 - 2 x.y in float32 is one matrix product, but wrong by up to (D + some) roundings of
|x|^2 + |y|^2: too much for near duplicates, and enough to turn a comparison over. So a tile gives
bounds that surely hold, and whoever asks settles the few pairs that the bounds leave open by
`exact`, from the differences themselves in float64. Where many pairs are open (a collapsed set)
the tile is taken in float64 as a whole instead, and a distance that even this cannot tell from
zero is zero. Results are rounded to the precision of the features, as scikit-learn's are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from gan_jax.errors import DataError

TILE = 2**22  # pairs of a tile
PAIRS = 2**12  # of `exact` at a time
OPEN = 0.01  # share of open pairs above which a tile is cheaper in float64 as a whole
SLACK = 64  # roundings of centring, norms, and of the comparisons of those who ask
WORKERS = 8  # tiles at a time, each some 50 MB

Result = TypeVar("Result")


class Distances:
    """Between x `[N, D]` and y `[M, D]`, finite float32 or float64."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y
        self.dtype = np.result_type(x, y)
        self.roundings = x.shape[1] + SLACK
        self.centre = _centre(x, y)
        self._y, self._y_norms = self._centred(y)

    def over_tiles(self, measure: Callable[[Tile], Result]) -> list[Result]:
        """`measure` of every tile, in order. Each core takes a tile of its own: so comparisons run
        side by side too, and no core waits for another within a product."""
        cores = _cores()
        workers = min(cores, WORKERS)
        with (
            threadpool_limits(cores // workers, user_api="blas"),
            ThreadPoolExecutor(workers) as pool,
        ):
            return list(pool.map(measure, self.tiles()))

    def tiles(self) -> Iterator[Tile]:
        """All rows of x, some at a time, each against the whole of y."""
        rows = max(1, TILE // len(self.y))
        for start in range(0, len(self.x), rows):
            yield Tile(self, slice(start, min(start + rows, len(self.x))))

    def _centred_x(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        if self.x is self.y:
            return self._y[rows], self._y_norms[rows]
        return self._centred(self.x[rows])

    def _centred(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 `[n, D]` about the centre, and float64 squared norms `[n]`."""
        centred = np.empty(features.shape, np.float32)
        norms = np.empty(len(features))
        for start in range(0, len(features), PAIRS):
            part = features[start : start + PAIRS] - self.centre
            centred[start : start + PAIRS] = part
            norms[start : start + PAIRS] = np.einsum("nd,nd->n", part, part)
        if norms.max() > np.finfo(np.float32).max / 8:
            raise DataError("features are too large to be squared in float32; scale them down")
        return centred, norms


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _centre(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distances do not care where zero is, rounding does: `[D]`, the midpoint of the means, to a
    few bits only, so that features on a grid stay on one and their ties stay ties."""
    midpoint = (x.mean(axis=0, dtype=np.float64) + y.mean(axis=0, dtype=np.float64)) / 2
    largest = np.abs(midpoint).max()
    if largest == 0.0:
        return midpoint
    step = 2.0 ** (np.floor(np.log2(largest)) - 8)
    return np.round(midpoint / step) * step


class Tile:
    """The rows `rows` of x against all of y."""

    def __init__(self, distances: Distances, rows: slice):
        self.rows = rows
        self._of = distances
        self._x = distances.x[rows]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 `[n, M]` twice: what the squared distances surely reach, and do not exceed."""
        of = self._of
        x, x_norms = of._centred_x(self.rows)
        share = of.roundings * 2.0**-24
        products = (-2.0 * x) @ of._y.T
        lower, upper = products, products.copy()
        for bound, factor in ((lower, 1.0 - share), (upper, 1.0 + share)):
            bound += (x_norms * factor).astype(np.float32)[:, None]
            bound += (of._y_norms * factor).astype(np.float32)
        return lower, upper

    def exact(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Squared distances of the pairs (i, j) of this tile `[P]`, in the features' precision."""
        squared = np.empty(len(i))
        for start in range(0, len(i), PAIRS):
            part = slice(start, start + PAIRS)
            difference = self._x[i[part]].astype(np.float64) - self._of.y[j[part]]
            squared[part] = np.einsum("pd,pd->p", difference, difference)
        return squared.astype(self._of.dtype)

    def dense(self) -> np.ndarray:
        """All of them `[n, M]` by a product in float64; what it cannot tell from zero is zero."""
        of = self._of
        x = self._x - of.centre
        x_norms = np.einsum("nd,nd->n", x, x)[:, None]
        squared = np.empty((len(x), len(of.y)), of.dtype)
        for start in range(0, len(of.y), PAIRS):
            y = of.y[start : start + PAIRS] - of.centre
            norms = x_norms + np.einsum("md,md->m", y, y)
            block = norms - 2.0 * (x @ y.T)
            block[block <= of.roundings * 2.0**-53 * norms] = 0.0
            squared[:, start : start + PAIRS] = block
        return squared


def pairs_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[P]` and columns `[P]` where `[n, M]` is true, row by row; `np.nonzero`, but faster."""
    i, j = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return i, j


def is_crowded(open_pairs: np.ndarray) -> bool:
    """Whether so many pairs of a tile are open `[n, M]` that `dense` is the cheaper answer."""
    return bool(np.count_nonzero(open_pairs) > OPEN * open_pairs.size)
