"""Mean and covariance of features, streamed and merged.

On a host in float64 (`Moments`). On an accelerator without float64 in compensated float32
(`Sums`): every sum carries the error of its own additions beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from gan_jax.errors import DataError
from gan_jax.metrics.features import checked

ROWS = 4096  # turned into float64 at a time


@dataclass(frozen=True)
class Moments:
    """Of N rows: `mean` float64 `[D]`, `scatter` float64 `[D, D]`, the sum of centred outer
    products."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray


def moments_of(features: ArrayLike) -> Moments:
    """Of `[N, D]`, centred before it is squared. DataError unless all is finite."""
    features = checked(features)
    mean = features.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((len(mean), len(mean)))
    for start in range(0, len(features), ROWS):
        centred = features[start : start + ROWS] - mean
        scatter += centred.T @ centred
    return Moments(len(features), mean, scatter)


def merge(a: Moments, b: Moments) -> Moments:
    """Of both sets together (Chan, Golub & LeVeque 1979)."""
    if a.mean.shape != b.mean.shape:
        raise DataError(
            f"moments of {len(a.mean)} and of {len(b.mean)} dimensions cannot be merged; "
            "take both from the same layer"
        )
    count = a.count + b.count
    if count == 0:
        return a
    difference = b.mean - a.mean
    mean = a.mean + difference * (b.count / count)
    between = np.outer(difference, difference) * (a.count * b.count / count)
    return Moments(count, mean, a.scatter + b.scatter + between)


def covariance(moments: Moments, ddof: int) -> np.ndarray:
    """`[D, D]`: scatter / (N - ddof). DataError where N <= ddof."""
    if moments.count <= ddof:
        raise DataError(
            f"a covariance with ddof {ddof} of {moments.count} samples; at least {ddof + 1} needed"
        )
    return moments.scatter / (moments.count - ddof)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sums:
    """A pytree of float32 running sums of (features - shift): `total` `[D]` and `outer` `[D, D]`,
    each with what its additions rounded away."""

    shift: Array
    count: Array
    total: Array
    total_error: Array
    outer: Array
    outer_error: Array


def new_sums(shift: ArrayLike) -> Sums:
    """Of nothing yet. `shift` `[D]` is subtracted from all features: a point near their mean, such
    as the mean of a first batch, keeps the sums well-conditioned."""
    shift = jnp.asarray(shift, jnp.float32)
    size = shift.shape[0]
    vector, matrix = jnp.zeros(size, jnp.float32), jnp.zeros((size, size), jnp.float32)
    return Sums(shift, jnp.zeros((), jnp.int32), vector, vector, matrix, matrix)


def add(sums: Sums, features: Array, valid: Array) -> Sums:
    """With the rows of `features` `[B, D]` for which `valid` `[B]` is true. May be jitted."""
    centred = jnp.where(valid[:, None], features.astype(jnp.float32) - sums.shift, 0.0)
    batch = Sums(
        shift=sums.shift,
        count=jnp.sum(valid, dtype=jnp.int32),
        total=jnp.sum(centred, axis=0),
        total_error=jnp.zeros_like(sums.total),
        outer=jnp.matmul(centred.T, centred, precision=jax.lax.Precision.HIGHEST),
        outer_error=jnp.zeros_like(sums.outer),
    )
    return _add_same_shift(sums, batch)


def merge_sums(a: Sums, b: Sums) -> Sums:
    """Of both together, about a's shift. With equal shifts nothing is lost; may be jitted."""
    moved = b.shift - a.shift
    total, count = b.total + b.total_error, b.count.astype(jnp.float32)
    crossed = jnp.outer(moved, total)
    outer_move = crossed + crossed.T + count * jnp.outer(moved, moved)
    about_a = Sums(
        shift=a.shift,
        count=b.count,
        total=b.total,
        total_error=b.total_error + count * moved,
        outer=b.outer,
        outer_error=b.outer_error + outer_move,
    )
    return _add_same_shift(a, about_a)


def to_moments(sums: Sums) -> Moments:
    """The same in float64 on the host. DataError where nothing valid was added."""
    count = int(sums.count)
    if count == 0:
        raise DataError("no valid sample was added; there is nothing to take moments of")
    total = _exact(sums.total, sums.total_error)
    mean = total / count
    scatter = _exact(sums.outer, sums.outer_error) - np.outer(total, mean)
    if not np.isfinite(scatter).all():
        raise DataError(f"the sums of {count} samples hold NaN or infinity; look at the features")
    return Moments(count, np.asarray(sums.shift, np.float64) + mean, (scatter + scatter.T) / 2)


def _exact(value: Array, error: Array) -> np.ndarray:
    return np.asarray(value, np.float64) + np.asarray(error, np.float64)


def _add_same_shift(a: Sums, b: Sums) -> Sums:
    total, total_error = _two_sum(a.total, b.total)
    outer, outer_error = _two_sum(a.outer, b.outer)
    return Sums(
        shift=a.shift,
        count=a.count + b.count,
        total=total,
        total_error=a.total_error + b.total_error + total_error,
        outer=outer,
        outer_error=a.outer_error + b.outer_error + outer_error,
    )


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded sum, and exactly what the rounding took (Knuth)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)
