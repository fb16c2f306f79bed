"""Frechet distance between two Gaussians.

    |m1 - m2|^2 + Tr C1 + Tr C2 - 2 Tr (C1 C2)^(1/2)        (Dowson & Landau 1982)

With C1 = A A' and C2 = B B' the last trace is the nuclear norm of A'B (its singular values are the
square roots of the eigenvalues of C1 C2). A pivoted Cholesky decomposition gives such factors and
stops at the numerical rank: directions that hold nothing but rounding noise, whose square root
would be counted ten thousand times too large, are left out. No square root of a matrix is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import get_lapack_funcs
from threadpoolctl import threadpool_limits

from gan_jax.errors import DataError
from gan_jax.metrics.features import checked_pair
from gan_jax.metrics.moments import covariance, moments_of

# Of the trace, that a covariance rounded to float32 may leave outside its factor.
INDEFINITE = 1e-3


def frechet_distance(
    mean_a: ArrayLike, covariance_a: ArrayLike, mean_b: ArrayLike, covariance_b: ArrayLike
) -> float:
    """Squared, in float64, of means `[D]` and covariances `[D, D]`; not clipped, so a distance of
    zero comes out as a rounding error of either sign. DataError for NaN or infinity, shapes that
    do not match, and a covariance that is not symmetric positive semi-definite.
    """
    mean_a, covariance_a = _gaussian(mean_a, covariance_a, "first")
    mean_b, covariance_b = _gaussian(mean_b, covariance_b, "second")
    if mean_a.shape != mean_b.shape:
        raise DataError(
            f"statistics of {len(mean_a)} and of {len(mean_b)} dimensions cannot be compared; "
            "take both from the same layer"
        )
    product = _factor(covariance_a, "first").T @ _factor(covariance_b, "second")
    traces = np.trace(covariance_a) + np.trace(covariance_b)
    return float(_squared(mean_a - mean_b) + traces - 2 * nuclear_norm(product))


def check_gaussian(mean: ArrayLike, covariance: ArrayLike, which: str) -> None:
    """Raises DataError where `frechet_distance` would, for this mean and covariance alone."""
    _factor(_gaussian(mean, covariance, which)[1], which)


def frechet_distance_of_features(a: ArrayLike, b: ArrayLike, *, ddof: int = 1) -> float:
    """The same of features `[N, D]` and `[M, D]`. Few samples are their own factors of the
    covariance, centred and over sqrt(N - ddof): no `[D, D]` matrix is made, nothing is lost."""
    a, b = checked_pair(a, b, ("first", "second"))
    if len(a) + len(b) > 2 * a.shape[1]:
        first, second = moments_of(a), moments_of(b)
        covariances = covariance(first, ddof), covariance(second, ddof)
        return frechet_distance(first.mean, covariances[0], second.mean, covariances[1])
    for features in (a, b):
        if len(features) <= ddof:
            raise DataError(f"{len(features)} samples; at least {ddof + 1} needed with ddof {ddof}")
    means = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    factors = (a - means[0]) / np.sqrt(len(a) - ddof), (b - means[1]) / np.sqrt(len(b) - ddof)
    traces = _squared(factors[0]) + _squared(factors[1])
    rank = min(len(a), len(b)) - 1  # centred rows add up to zero
    norm = nuclear_norm(factors[0] @ factors[1].T, rank)
    return float(_squared(means[0] - means[1]) + traces - 2 * norm)


def nuclear_norm(matrix: np.ndarray, rank: int | None = None) -> float:
    """Sum of the singular values, of the `rank` largest where that is known to be all, from the
    eigenvalues of the smaller Gram matrix."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = tall.T @ tall
    # The reduction to tridiagonal form is many small steps: on a machine that is busy otherwise
    # the threads of BLAS wait for each other there ten times longer than one alone takes.
    with threadpool_limits(1, user_api="blas"):
        squares = np.linalg.eigvalsh(gram)[::-1][:rank]
    return float(np.sqrt(np.maximum(squares, 0.0)).sum())


def _squared(array: np.ndarray) -> float:
    return float(np.vdot(array, array))


def _gaussian(mean: ArrayLike, covariance: ArrayLike, which: str) -> tuple[np.ndarray, np.ndarray]:
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.ndim != 1 or covariance.shape != 2 * mean.shape or not mean.size:
        raise DataError(
            f"the {which} statistics have a mean of shape {mean.shape} and a covariance of shape "
            f"{covariance.shape}; [D] and [D, D] are needed"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"the {which} statistics hold NaN or infinity; compute them again")
    if np.abs(covariance - covariance.T).max() > 1e-4 * np.abs(covariance).max():
        raise DataError(f"the {which} covariance is not symmetric; compute it again")
    return mean, covariance


def _factor(covariance: np.ndarray, which: str) -> np.ndarray:
    """A `[D, rank]` with A A' the covariance to float64 rounding."""
    size, trace = len(covariance), np.trace(covariance)
    if trace == 0.0 and not covariance.any():
        return np.zeros((size, 1))
    (pivoted_cholesky,) = get_lapack_funcs(("pstrf",), (covariance,))
    packed, pivots, rank, _ = pivoted_cholesky(covariance, lower=1)
    factor = np.empty((size, rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    left = abs(trace - _squared(factor)) if rank else np.inf
    if left > INDEFINITE * abs(trace):
        raise DataError(
            f"the {which} covariance is not positive semi-definite; compute it again in float64"
        )
    return factor
