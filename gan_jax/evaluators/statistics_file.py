"""`.npz` files of a mean and a covariance, as pytorch-fid, clean-fid and EDM exchange them."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.errors import DataError
from gan_jax.images import write_whole

DECIDES = ("network", "weights_sha256", "resize", "normalise", "features", "ddof")
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
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        mean, covariance = (np.asarray(found[name], np.float64) for name in ("mu", "sigma"))
    except KeyError as error:
        raise DataError(f"{path}: no statistics: it has no {error}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: statistics cannot be read: {error}") from error
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        shapes = f"mu {list(mean.shape)}, sigma {list(covariance.shape)}"
        raise DataError(f"{path}: {shapes} do not belong together")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"{path}: the statistics hold NaN or infinity")
    count = int(found["num_images"]) if "num_images" in found else None
    protocol = json.loads(str(found["protocol"])) if "protocol" in found else None
    return Statistics(
        name=str(path), mean=mean, covariance=covariance, count=count, protocol=protocol or None
    )


def is_statistics(path: Path) -> bool:
    """Whether an `.npz` holds a mean and a covariance rather than pictures."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return "mu" in file.files and "sigma" in file.files
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


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
