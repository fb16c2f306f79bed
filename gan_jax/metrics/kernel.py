"""Kernel distance (KID, Binkowski et al. 2018): the unbiased squared maximum mean discrepancy under
the kernel (x.y / D + 1)^3.

Products are taken in the precision of the features, as the references do, and all sums in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError, UsageError
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import checked_pair

ROWS = 2048  # of a block of the full-sample estimate

Sampling = Literal["torch-fidelity", "clean-fid", "torchmetrics"]
Draw = Callable[[int, int], np.ndarray]  # of a set's size and the subset's -> row numbers


def kid_subsets(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    subsets: int,
    subset_size: int,
    sampling: Sampling,
    seed: int,
) -> Estimate:
    """Mean and standard deviation (ddof 0) over subsets without replacement of `[N, D]` and
    `[M, D]`. How they are drawn:

    - "torch-fidelity": from `RandomState(seed)` (there 2020), fake before real, its input 1 being
      the generated set; DataError where a set is smaller than a subset;
    - "clean-fid": fake before real too, subsets no larger than the smaller set. It draws from
      NumPy's global state; the numbers here are those after `np.random.seed(seed)`;
    - "torchmetrics": a permutation per subset, real before fake. PyTorch's permutations cannot be
      replayed without PyTorch, so they are NumPy's: equal in distribution, not in digits.
    """
    real, fake = checked_pair(real, fake)
    if subsets < 1:
        raise UsageError(f"{subsets} KID subsets; at least 1 is needed")
    smaller = min(len(real), len(fake))
    size = min(subset_size, smaller) if sampling == "clean-fid" else subset_size
    if not 2 <= size <= smaller:
        raise DataError(
            f"a KID subset of {size} of {len(real)} real and {len(fake)} fake samples; "
            f"take more samples or a subset size from 2 to {smaller}"
        )
    draw, fake_first = _draw(sampling, seed)
    values = np.empty(subsets)
    for number in range(subsets):
        if fake_first:
            fakes, reals = draw(len(fake), size), draw(len(real), size)
        else:
            reals, fakes = draw(len(real), size), draw(len(fake), size)
        values[number] = kid_full(real[reals], fake[fakes])
    return Estimate(float(values.mean()), float(values.std()))


def kid_full(real: ArrayLike, fake: ArrayLike) -> float:
    """Of all samples at once: no draw, no seed. Blocked: no `[N, M]` matrix is made."""
    real, fake = checked_pair(real, fake)
    if min(len(real), len(fake)) < 2:
        raise DataError(f"KID of {len(real)} real and {len(fake)} fake samples; 2 of each needed")
    across = sum(_kernel(x, y).sum() for x in _blocks(real) for y in _blocks(fake))
    return _within(real) + _within(fake) - 2.0 * float(across) / (len(real) * len(fake))


def _draw(sampling: Sampling, seed: int) -> tuple[Draw, bool]:
    """How a subset is drawn, and whether that of the fakes comes first."""
    if sampling in ("torch-fidelity", "clean-fid"):
        state = np.random.RandomState(seed)
        return lambda count, size: state.choice(count, size, replace=False), True
    if sampling == "torchmetrics":
        generator = np.random.default_rng(seed)
        return lambda count, size: generator.permutation(count)[:size], False
    raise UsageError(f"KID sampling {sampling!r}; it is torch-fidelity, clean-fid or torchmetrics")


def _within(features: np.ndarray) -> float:
    """Mean kernel of a set with itself, pairs of a sample with itself left out."""
    blocks = list(_blocks(features))
    total = 0.0
    for number, x in enumerate(blocks):
        kernel = _kernel(x, x)
        total += float(kernel.sum() - np.trace(kernel))
        total += 2.0 * float(sum(_kernel(x, y).sum() for y in blocks[number + 1 :]))
    return total / (len(features) * (len(features) - 1))


def _blocks(features: np.ndarray) -> list[np.ndarray]:
    return [features[start : start + ROWS] for start in range(0, len(features), ROWS)]


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`[N, D]`, `[M, D]` -> float64 `[N, M]`."""
    base = (x @ y.T).astype(np.float64)
    base /= x.shape[1]
    base += 1.0
    return base * base * base
