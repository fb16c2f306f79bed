"""Features of real pictures, kept in a cache: they are the same for every model and every step."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import jax
import numpy as np

from gan_jax import durable, processes
from gan_jax.errors import DataError
from gan_jax.evaluators.arrays_file import read_arrays
from gan_jax.evaluators.features import Advance, Extractor, Features, FeatureSpace
from gan_jax.evaluators.pictures import Pictures

VERSION = 1
"""Raised when the same pictures and weights come to give other features."""


def features_of(
    extractor: Extractor, pictures: Pictures, *, cache: Path | None, advance: Advance
) -> Features:
    """Features of `pictures`, out of the cache where it has them.

    The cache goes by the data's fingerprint and everything that the features depend on. A cache
    that cannot be read or written is no error: the features are computed.
    """
    path = None if cache is None else cache / f"{_key(extractor.space, pictures)}.npz"
    held = _read(path, pictures.count)
    # With several processes all compute together, or none.
    if processes.everywhere(held is not None) and held is not None:
        return held
    features = extractor.of_pictures(pictures, advance)
    if path is not None and jax.process_index() == 0:
        _write(path, features)
    return features


def _key(space: FeatureSpace, pictures: Pictures) -> str:
    decides = {name: space.describe[name] for name in space.decides}
    text = json.dumps([VERSION, pictures.fingerprint, pictures.count, decides])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(path: Path | None, count: int) -> Features | None:
    if path is None or not path.is_file():
        return None
    try:
        features = read_arrays(path)
    except DataError:
        return None
    whole = features and all(len(value) == count for value in features.values())
    return features if whole else None


def _write(path: Path, features: Features) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **features)  # pyright: ignore[reportArgumentType]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, buffer.getvalue())
    except OSError:
        return
