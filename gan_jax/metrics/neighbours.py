"""Nearest neighbours in a feature space: precision, recall, density, coverage, and who they are.

A sample's ball reaches to its k-th nearest neighbour in its own set, itself not counted.
Precision and recall: Kynkaanniemi et al. 2019 ("improved"); density and coverage: Naeem et al.
2020. Whether a ball holds its own surface is `strict`: False in the first paper and its codes
(StyleGAN, torch-fidelity), True in that of the second (`prdc`). It matters where samples repeat.
All of it equals the distances of scikit-learn in the features' precision, see `distances`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.distances import Distances, Tile, is_crowded, pairs_of
from gan_jax.metrics.features import checked_pair

GROUPS = 128  # of a row's columns, whose minima bound the k-th smallest


@dataclass(frozen=True)
class PrecisionRecall:
    """Share of fakes in some real's ball, share of reals in some fake's ball; both in [0, 1]."""

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """Real balls that hold a fake, over k, on average (>= 0); share of real balls with a fake."""

    density: float
    coverage: float


@dataclass(frozen=True)
class PRDC:
    """`PrecisionRecall` and `DensityCoverage` of one set of passes."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class _Counts:
    """What real times fake leaves."""

    balls: np.ndarray  # [M] real balls that hold each fake
    covered: np.ndarray  # [N] whether each real's ball holds a fake
    recalled: np.ndarray  # [N] whether each real is in some fake's ball


def precision_recall(real: ArrayLike, fake: ArrayLike, *, k: int, strict: bool) -> PrecisionRecall:
    """Of features `[N, D]` and `[M, D]`. DataError where a set has no k other samples."""
    all_four = prdc(real, fake, k=k, strict=strict)
    return PrecisionRecall(all_four.precision, all_four.recall)


def density_coverage(real: ArrayLike, fake: ArrayLike, *, k: int) -> DensityCoverage:
    """Of features `[N, D]` and `[M, D]`, strictly inside a ball, as `prdc` counts."""
    real, fake = checked_pair(real, fake)
    counts = _count(real, fake, radii_squared(real, k, "real"), None, strict=True)
    return DensityCoverage(float(counts.balls.mean() / k), float(counts.covered.mean()))


def prdc(real: ArrayLike, fake: ArrayLike, *, k: int, strict: bool) -> PRDC:
    """All four of features `[N, D]` and `[M, D]`, the three passes over pairs shared."""
    real, fake = checked_pair(real, fake)
    of_real, of_fake = radii_squared(real, k, "real"), radii_squared(fake, k, "fake")
    counts = _count(real, fake, of_real, of_fake, strict)
    return PRDC(
        precision=float((counts.balls > 0).mean()),
        recall=float(counts.recalled.mean()),
        density=float(counts.balls.mean() / k),
        coverage=float(counts.covered.mean()),
    )


def radii_squared(features: np.ndarray, k: int, name: str) -> np.ndarray:
    """Squared distance of each of `[N, D]` to its k-th nearest other sample `[N]`."""
    if k < 1:
        raise UsageError(f"{k} neighbours; at least 1 is needed")
    if len(features) <= k:
        raise DataError(
            f"{k} neighbours of {len(features)} {name} samples; "
            f"take at least {k + 1} samples or fewer neighbours"
        )
    # Each sample finds itself, at distance zero, among the k + 1 nearest.
    distances = Distances(features, features)
    return np.concatenate(distances.over_tiles(lambda tile: _kth_smallest(tile, k + 1)))


def nearest(
    queries: ArrayLike, references: ArrayLike, *, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest rows of `references` `[M, D]` to each of `queries` `[Q, D]`: indices
    `[Q, count]`, nearest first (of equals the smaller index), and distances `[Q, count]`."""
    queries, references = checked_pair(queries, references, ("query", "reference"))
    if count < 1:
        raise UsageError(f"{count} neighbours; at least 1 is needed")
    if count > len(references):
        raise DataError(f"{count} neighbours among {len(references)} references; ask for fewer")
    found = Distances(queries, references).over_tiles(lambda tile: _smallest(tile, count))
    indices, squared = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return indices, np.sqrt(squared)


def _kth_smallest(tile: Tile, k: int) -> np.ndarray:
    """The k-th smallest squared distance of each row `[n]`."""
    lower, upper = tile.bounds()
    candidates = lower <= _bound_of_smallest(upper, k)[:, None]
    if is_crowded(candidates):
        return np.partition(tile.dense(), k - 1, axis=1)[:, k - 1]
    i, j = pairs_of(candidates)
    rows = np.arange(len(candidates))
    kth_lower = _ranked(i, lower[i, j], rows, k)
    # What ends below the k-th lowest beginning is surely smaller than the k-th smallest.
    below = upper[i, j] < kth_lower[i]
    left = k - np.bincount(i[below], minlength=len(rows))
    i, j = i[~below], j[~below]
    return _ranked(i, tile.exact(i, j), rows, left)


def _ranked(i: np.ndarray, values: np.ndarray, rows: np.ndarray, k: int | np.ndarray) -> np.ndarray:
    """The k-th smallest (from 1) of each row's values `[P]`; their rows `i` `[P]` ascend."""
    order = np.lexsort((values, i))
    return values[order[np.searchsorted(i, rows) + k - 1]]


def _smallest(tile: Tile, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns `[n, count]` of the smallest squared distances of each row, and these, in order."""
    lower, upper = tile.bounds()
    candidates = lower <= _bound_of_smallest(upper, count)[:, None]
    if is_crowded(candidates):
        return _smallest_of_dense(tile.dense(), count)
    i, j = pairs_of(candidates)
    squared = tile.exact(i, j)
    order = np.lexsort((j, squared, i))
    first = np.searchsorted(i, np.arange(len(candidates)))
    chosen = order[first[:, None] + np.arange(count)]
    return j[chosen], squared[chosen]


def _smallest_of_dense(squared: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    last = np.partition(squared, count - 1, axis=1)[:, count - 1, None]
    below, equal = squared < last, squared == last
    wanted = count - np.count_nonzero(below, axis=1)[:, None]
    chosen = below | (equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= wanted))
    j = np.nonzero(chosen)[1].reshape(-1, count)
    values = np.take_along_axis(squared, j, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(j, order, axis=1), np.take_along_axis(values, order, axis=1)


def _bound_of_smallest(values: np.ndarray, count: int) -> np.ndarray:
    """`[n]`, not below the count-th smallest of each row of `[n, M]`. The count-th smallest of the
    minima of groups of columns is such a bound, seldom far above it, and much faster."""
    size = values.shape[1] // max(GROUPS, 4 * count)
    if size > 1:
        whole = values[:, : values.shape[1] // size * size]
        # Strided groups: columns g, g + n, g + 2n, …: the minimum runs along contiguous memory.
        values = whole.reshape(len(values), size, -1).min(axis=1)
    return np.partition(values, count - 1, axis=1)[:, count - 1]


def _count(
    real: np.ndarray,
    fake: np.ndarray,
    of_real: np.ndarray,
    of_fake: np.ndarray | None,
    strict: bool,
) -> _Counts:
    """Of squared radii `[N]` and `[M]`; without the latter nothing is recalled."""

    def of_tile(tile: Tile) -> _Counts:
        inside = _Inside(tile, strict)
        in_real = inside(of_real[tile.rows][:, None])
        return _Counts(
            balls=np.count_nonzero(in_real, axis=0),
            covered=np.asarray(in_real.any(axis=1)),
            recalled=np.asarray([] if of_fake is None else inside(of_fake[None]).any(axis=1)),
        )

    parts = Distances(real, fake).over_tiles(of_tile)
    return _Counts(
        balls=np.sum([part.balls for part in parts], axis=0),
        covered=np.concatenate([part.covered for part in parts]),
        recalled=np.concatenate([part.recalled for part in parts]),
    )


class _Inside:
    """Which pairs of a tile are closer than a radius, given squared as `[n, 1]` or `[1, M]`."""

    def __init__(self, tile: Tile, strict: bool):
        self.tile = tile
        self.compare = np.less if strict else np.less_equal
        self.bounds = tile.bounds()
        self.dense: np.ndarray | None = None

    def __call__(self, squared_radius: np.ndarray) -> np.ndarray:
        lower, upper = self.bounds
        limit = squared_radius.astype(np.float32)
        inside = upper < limit
        undecided = lower <= limit
        undecided ^= inside
        if is_crowded(undecided):
            if self.dense is None:
                self.dense = np.sqrt(self.tile.dense())
            return self.compare(self.dense, np.sqrt(squared_radius))
        i, j = pairs_of(undecided)
        radius = np.sqrt(np.broadcast_to(squared_radius, inside.shape)[i, j])
        inside[i, j] = self.compare(np.sqrt(self.tile.exact(i, j)), radius)
        return inside
