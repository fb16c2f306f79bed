"""Mutual information of codes and pictures: the bound that InfoGAN trains (Chen et al. 2016), and
estimates from counts for whoever asks afterwards what a code has come to mean. In nats.

The bound is E[log Q(c|x)] + H(c); H is the codes' own, log K for one of K equal choices and log 2
for one uniform in [-1, 1]. The losses here are -log Q, per example.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from gan_jax.class_losses import auxiliary_classifier
from gan_jax.variational import gaussian_log_likelihood


def categorical_loss(logits: Sequence[Array], codes: Array) -> Array:
    """-log Q of the categorical codes, summed over them, `[B]` float32.

    Args:
        logits: `[B, K_i]` of each code.
        codes: int32 `[B, N]`, one column a code.
    """
    columns = zip(logits, codes.T, strict=True)
    return sum((auxiliary_classifier(*pair) for pair in columns), start=jnp.zeros(len(codes)))


def continuous_loss(mean: Array, log_variance: Array, codes: Array) -> Array:
    """-log Q of the continuous codes under a diagonal Gaussian, summed over them, `[B]` float32.

    Args:
        mean: `[B, C]`.
        log_variance: `[B, C]`, learnt, or 0 for a fixed variance of 1.
        codes: `[B, C]`.
    """
    return -gaussian_log_likelihood(codes, mean, 0.5 * log_variance)


def entropy(values: ArrayLike, *, corrected: bool = True) -> float:
    """Of integers `[N]`, from their counts: `-sum p log p`.

    Args:
        values: `[N]`.
        corrected: by Miller and Madow (1955): plus (m - 1) / 2N, m the number of values that
            occur, for counts of few samples look more certain than their source is.

    Raises:
        ValueError: not `[N]` integers, N at least 1.
    """
    return _entropy(_codes("values", values), corrected)


def mutual_information(codes: ArrayLike, factors: ArrayLike, *, corrected: bool = True) -> float:
    """Of integers `[N]` and `[N]`, from their joint counts: H(c) + H(f) - H(c, f).

    Args:
        codes: `[N]`, categorical, or `quantile_bins` of a continuous code.
        factors: `[N]`, a discrete factor of each sample.
        corrected: each entropy by Miller and Madow. The plug-in estimate is at least 0 and too
            high for independent variables, by about (m_c - 1)(m_f - 1) / 2N; the corrected one is
            nearly unbiased and so may fall a little below 0.

    Raises:
        ValueError: not `[N]` integers of one length, N at least 1.
    """
    codes, factors = _codes("codes", codes), _codes("factors", factors)
    if len(codes) != len(factors):
        raise ValueError(f"{len(codes)} codes and {len(factors)} factors: must be as many")
    _, joint = np.unique(np.stack([codes, factors]), axis=1, return_inverse=True)
    marginal = _entropy(codes, corrected) + _entropy(factors, corrected)
    return marginal - _entropy(joint.reshape(-1), corrected)


def normalised_mutual_information(
    codes: ArrayLike, factors: ArrayLike, *, corrected: bool = True
) -> float:
    """`mutual_information / entropy(factors)`: 1 where the code tells the factor, about 0 where it
    tells nothing, and 0 where the factor never varies."""
    uncertain = entropy(factors, corrected=corrected)
    if uncertain == 0.0:
        return 0.0
    return mutual_information(codes, factors, corrected=corrected) / uncertain


def quantile_bins(values: ArrayLike, bins: int = 20) -> np.ndarray:
    """A continuous code `[N]` as the number 0 … bins - 1 of its bin, int64 `[N]`.

    The edges are the 1/bins, 2/bins, … quantiles of these values (NumPy's linear ones; a value on
    an edge belongs to the bin above), so that each bin holds N / bins of them but for ties, which
    stay together. 20 is the number that Locatello et al. 2019 count in, there of equal width.

    Raises:
        ValueError: not `[N]` finite numbers, N at least 1, or fewer than two bins.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or bins < 2:
        raise ValueError(
            f"values {values.shape} in {bins} bins: must be finite [N], N > 0, bins > 1"
        )
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="right")


def _entropy(values: np.ndarray, corrected: bool) -> float:
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / counts.sum()
    correction = (len(counts) - 1) / (2 * len(values)) if corrected else 0.0
    return float(-np.sum(shares * np.log(shares))) + 0.0 + correction


def _codes(name: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} {values.dtype} {values.shape}: must be integers [N], N > 0")
    return values
