"""Inception score (Salimans et al. 2016): exp E KL(p(y|x) || p(y)), over splits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import checked


def inception_score(logits: ArrayLike, *, splits: int, seed: int | None, ddof: int) -> Estimate:
    """Mean and standard deviation over splits of logits `[N, C]`, in float64.

    With a seed the rows are shuffled by `RandomState(seed)`, as torch-fidelity does (there seed
    2020, ddof 0, logits without their bias); torchmetrics takes ddof 1. Split i holds the rows
    from i N // splits to (i + 1) N // splits; torchmetrics cuts rows that do not divide evenly
    into larger and fewer splits. DataError where a split would be empty.
    """
    logits = checked(logits, "logits")
    count = len(logits)
    if splits <= ddof:
        raise UsageError(f"{splits} splits with ddof {ddof}; at least {ddof + 1} needed")
    if count < splits:
        raise DataError(f"an Inception score of {count} samples in {splits} splits; take more")
    if seed is not None:
        logits = logits[np.random.RandomState(seed).permutation(count)]
    edges = [number * count // splits for number in range(splits + 1)]
    scores = [_score(logits[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    return Estimate(float(np.mean(scores)), float(np.std(scores, ddof=ddof)))


def _score(logits: np.ndarray) -> float:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    p, log_p = exponentials / sums, shifted - np.log(sums)
    marginal = p.mean(axis=0)
    # A class that no sample can have adds nothing; its log would be that of zero.
    log_marginal = np.log(marginal, where=marginal > 0, out=np.zeros_like(marginal))
    divergence = np.sum(p * (log_p - log_marginal), axis=1)
    return float(np.exp(divergence.mean()))
