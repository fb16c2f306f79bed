"""A network's variables as a safetensors file, and back: plain tensors and text, nothing to run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gan_jax import durable
from gan_jax.errors import StorageError, UsageError

Variables = dict[str, Any]
"""As Flax has them: `{"params": {…}, "batch_stats": {…}}`."""


def write_variables(path: Path, variables: Variables, metadata: Mapping[str, str]) -> None:
    """Names are paths such as `params/Conv_0/kernel`; the file is there whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in flat.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, save(arrays, dict(metadata)))
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def read_variables(path: Path) -> tuple[Variables, dict[str, str]]:
    """The variables, as NumPy arrays of the stored dtypes, and the metadata.

    Raises:
        UsageError: no such file, or not (or no longer) a safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            flat = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        what = "there is no such file" if not path.exists() else f"not a safetensors file ({error})"
        raise UsageError(f"weights {path}: {what}") from error
    return flax.traverse_util.unflatten_dict(flat, sep="/"), metadata


def sha256_of(path: Path) -> str:
    """Of the whole file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
