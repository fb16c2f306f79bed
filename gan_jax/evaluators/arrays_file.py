"""The arrays in an `.npz`, plain ones only: nothing in the file is executed."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from gan_jax.errors import DataError


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """By name; raises DataError where the file is missing, damaged, or holds objects."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is no .npz file")
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{path} cannot be read: {reason}") from error
