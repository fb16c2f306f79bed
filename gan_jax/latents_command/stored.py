"""Latents of the user's pictures, that `gan-jax latents project` found, in place of drawn ones."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.errors import DataError, UsageError
from gan_jax.recipe import PyTree


@dataclasses.dataclass(frozen=True)
class Stored:
    """The arrays of a file of `latents project`, `[N, …]` each.

    Attributes:
        file: that they are of.
        arrays: by name, as `project.described` names them.
    """

    file: Path
    arrays: Mapping[str, np.ndarray]

    @property
    def is_w(self) -> bool:
        """Whether they are w, one for all layers or one for each; else z with conditions."""
        return "w" in self.arrays

    @property
    def count(self) -> int:
        return len(self.arrays["distance"])

    def styles(self, like: np.ndarray) -> np.ndarray:
        """All `ws [N, L, W]`, where `like` `[L, W]` is one of the model's.

        Raises:
            UsageError: they are no w, or another model's.
        """
        if not self.is_w:
            raise UsageError(f"{self.file} holds latents z, and w are changed here: project into w")
        ws = self.arrays["w"]
        ws = ws if ws.ndim == 3 else np.repeat(ws[:, None], len(like), axis=1)
        self._check(ws.shape[1:], like.shape)
        return ws

    def latents(self, like: tuple[PyTree, Mapping[str, Any]]) -> tuple[PyTree, Any]:
        """All latents and conditions `[N, …]`, in the form of `like`, those of the model `[1, …]`.

        Raises:
            UsageError: they are w, or another model's.
        """
        if self.is_w:
            raise UsageError(f"{self.file} holds w, and latents z are changed here")

        def stored(name: str, leaf: Any) -> np.ndarray:
            found = self.arrays.get(name)
            self._check(None if found is None else found.shape[1:], np.shape(leaf)[1:])
            assert found is not None
            return found

        def part(path: Any, leaf: Any) -> np.ndarray:
            return stored(f"z{jax.tree_util.keystr(path)}", leaf)

        latents, batch = like
        found = jax.tree_util.tree_map_with_path(part, latents)
        return found, {name: stored(name, leaf) for name, leaf in batch.items()}

    def _check(self, found: tuple[int, ...] | None, wanted: tuple[int, ...]) -> None:
        if found != wanted:
            raise UsageError(f"{self.file} holds the latents of another model: project with this")


def read_stored(file: Path) -> Stored:
    """Raises DataError where it is no file that `latents project` wrote."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays)
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        found = {}
    if "distance" not in found or not any(name == "w" or name[0] == "z" for name in found):
        raise DataError(f"{file}: holds no latents that gan-jax latents project found")
    return Stored(file, found)
