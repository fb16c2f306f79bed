"""Arrays on disk, written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.images import write_whole


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises StorageError where it cannot be written."""
    buffer = io.BytesIO()
    plain: dict[str, Any] = dict(arrays)
    np.savez(buffer, **plain)
    write_whole(path, buffer.getvalue())
