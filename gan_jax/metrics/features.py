"""What may be measured: finite rows of features, in pairs of the same width."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError

ROWS = 4096  # of a check at a time: no mask as large as the features is made


def checked(features: ArrayLike, name: str = "features") -> np.ndarray:
    """`[N, D]` as float64 where it is so, else as float32; DataError unless every row is finite."""
    array = np.asarray(features)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name}: shape {array.shape}; rows of features [N, D] are needed")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    blocks = (array[start : start + ROWS] for start in range(0, len(array), ROWS))
    bad = sum(int(np.count_nonzero(~np.isfinite(block).all(axis=1))) for block in blocks)
    if bad:
        raise DataError(
            f"{name}: NaN or infinity in {bad} of {len(array)} rows; "
            "look at the pictures or the network that gave them"
        )
    return array


def checked_pair(
    a: ArrayLike, b: ArrayLike, names: tuple[str, str] = ("real", "fake")
) -> tuple[np.ndarray, np.ndarray]:
    """Both `checked`; DataError where their widths differ."""
    first, second = checked(a, names[0]), checked(b, names[1])
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"{names[0]} features have {first.shape[1]} dimensions, {names[1]} features "
            f"{second.shape[1]}; take both from the same layer of the same network"
        )
    return first, second
