"""`.npz` files of a mean and a covariance, as pytorch-fid, clean-fid and EDM exchange them."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.errors import DataError
from gan_jax.evaluators.arrays_file import read_arrays
from gan_jax.images import write_whole
from gan_jax.metrics.frechet import check_gaussian

DECIDES = ("network", "weights_sha256", "resize", "size", "normalisation", "ddof")
"""What two statistics must have in common to be compared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of a set of pictures.

    Attributes:
        name: for people and rows.
        mean: float64 `[D]`.
        covariance: float64 `[D, D]`.
        count: pictures; None where the file does not tell.
        protocol: what they were made by; None where the file does not tell.
    """

    name: str
    mean: np.ndarray
    covariance: np.ndarray
    count: int | None
    protocol: Mapping[str, Any] | None


def write_statistics(path: Path, statistics: Statistics) -> None:
    """`mu` and `sigma` for any tool, and beside them our own `num_images` and `protocol` (JSON);
    raises StorageError."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mu=statistics.mean,
        sigma=statistics.covariance,
        num_images=np.int64(-1 if statistics.count is None else statistics.count),
        protocol=np.array(json.dumps(dict(statistics.protocol or {}), default=str)),
        framework=np.array("gan_jax"),
    )
    write_whole(path, buffer.getvalue())


def read_statistics(path: Path) -> Statistics:
    """Raises DataError where the file is missing, damaged or no such statistics."""
    found = read_arrays(path)
    missing = [name for name in ("mu", "sigma") if name not in found]
    if missing:
        raise DataError(f"{path} holds {', '.join(found)}: no statistics without {missing[0]}")
    mean, covariance = (np.asarray(found[name], np.float64) for name in ("mu", "sigma"))
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        shapes = f"mu {list(mean.shape)}, sigma {list(covariance.shape)}"
        raise DataError(f"{path}: {shapes} do not belong together")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"{path}: the statistics hold NaN or infinity")
    count = int(found["num_images"]) if "num_images" in found else None
    protocol = _protocol(path, found)
    return Statistics(
        name=str(path), mean=mean, covariance=covariance, count=count, protocol=protocol or None
    )


def _protocol(path: Path, found: Mapping[str, np.ndarray]) -> Mapping[str, Any] | None:
    if "protocol" not in found:
        return None
    try:
        return json.loads(str(found["protocol"]))
    except ValueError as error:
        raise DataError(f"{path}: its protocol cannot be read: {error}") from error


def is_statistics(path: Path) -> bool:
    """Whether an `.npz` holds a mean and a covariance rather than pictures; raises DataError."""
    return {"mu", "sigma"} <= read_arrays(path).keys()


def check_usable(statistics: Statistics, width: int) -> None:
    """Raises DataError unless it is of `width` features, with a covariance that can be one."""
    if len(statistics.mean) != width:
        raise DataError(
            f"{statistics.name}: statistics of {len(statistics.mean)} features, but this network "
            f"has {width}"
        )
    try:
        check_gaussian(statistics.mean, statistics.covariance, "stored")
    except DataError as error:
        raise DataError(f"{statistics.name}: {error}") from error


def check_same_protocol(statistics: Statistics, protocol: Mapping[str, Any]) -> str | None:
    """A warning where the file does not tell how it was made.

    Raises:
        DataError: it was made by another protocol, or for features of another length.
    """
    if statistics.protocol is None:
        return f"{statistics.name} does not tell how it was made: protocol taken on trust"
    different = [
        f"{name} {statistics.protocol.get(name)} against {protocol.get(name)}"
        for name in DECIDES
        if statistics.protocol.get(name) != protocol.get(name)
    ]
    if different:
        raise DataError(
            f"{statistics.name} was made by another protocol, so its numbers are not comparable: "
            + "; ".join(different)
        )
    return None
