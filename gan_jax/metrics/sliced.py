"""Sliced Wasserstein distances of features (Rabin et al. 2011): along random unit directions the
distance of two sets is that of their sorted projections. Of picture patches: `laplacian_patches`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import UsageError
from gan_jax.metrics.features import checked_pair

DIRECTIONS = 128  # at a time

Levels = tuple[np.ndarray, np.ndarray, np.ndarray]


def sliced_wasserstein(a: ArrayLike, b: ArrayLike, *, projections: int, seed: int) -> float:
    """Sliced W1 of `[N, D]` and `[M, D]`: the mean absolute difference of the sorted projections
    (for N = M; else of the quantile functions, exactly), over `projections` directions that
    `RandomState(seed)` draws."""
    a, b = checked_pair(a, b, ("first", "second"))
    return _mean_difference(a, b, projections, seed, power=1)


def mind(a: ArrayLike, b: ArrayLike, *, projections: int = 1000, seed: int) -> float:
    """Sliced W2 squared times 3 D (MIND): the mean squared difference of the sorted projections of
    `[N, D]` and `[M, D]`, scaled so that it grows with D as a Frechet distance does."""
    a, b = checked_pair(a, b, ("first", "second"))
    return 3 * a.shape[1] * _mean_difference(a, b, projections, seed, power=2)


def _mean_difference(
    a: np.ndarray, b: np.ndarray, projections: int, seed: int, power: int
) -> float:
    if projections < 1:
        raise UsageError(f"{projections} projections; at least 1 is needed")
    levels = _common_levels(len(a), len(b))
    means = [
        _wasserstein(a @ directions, b @ directions, levels, power)
        for directions in _directions(a.shape[1], projections, seed)
    ]
    return float(np.concatenate(means).mean())


def _directions(size: int, projections: int, seed: int) -> Iterator[np.ndarray]:
    """Unit columns, float32 `[D, up to DIRECTIONS]`."""
    state = np.random.RandomState(seed)
    for start in range(0, projections, DIRECTIONS):
        rows = state.standard_normal((min(DIRECTIONS, projections - start), size))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        yield rows.T.astype(np.float32)


def _wasserstein(a: np.ndarray, b: np.ndarray, levels: Levels, power: int) -> np.ndarray:
    """W_power to that power of each column of `[N, P]` and `[M, P]`, `[P]`."""
    of_a, of_b, widths = levels
    difference = np.sort(a.T, axis=1)[:, of_a].astype(np.float64) - np.sort(b.T, axis=1)[:, of_b]
    return (np.abs(difference) if power == 1 else np.square(difference)) @ widths


def _common_levels(count_a: int, count_b: int) -> Levels:
    """Between the levels at which either quantile function steps, both are constant: which sorted
    value each then has, and how wide each piece is."""
    # In units of 1 / (count_a * count_b) all steps are whole numbers.
    ends = np.union1d(np.arange(1, count_a + 1) * count_b, np.arange(1, count_b + 1) * count_a)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // count_b, starts // count_a, (ends - starts) / (count_a * count_b)
