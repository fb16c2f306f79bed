"""Which latents stand where on a sheet."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.latents.model import Conditions, LatentModel
from gan_jax.recipe import PyTree


def truncation_sheet(
    model: LatentModel, latents: PyTree, batch: Conditions, values: Sequence[float]
) -> np.ndarray:
    """uint8 `[N * V, H, W, C]`: a row for each of N latents, a column for each truncation."""
    rows = jax.tree.map(lambda leaf: np.repeat(leaf, len(values), axis=0), (latents, dict(batch)))
    count = len(jax.tree.leaves(latents)[0])
    return model.pictures(*rows, truncation=np.tile(np.asarray(values, np.float32), count))


def class_sheet(
    model: LatentModel, latents: PyTree, labels: np.ndarray, truncation: float = 1.0
) -> np.ndarray:
    """uint8 `[K * N, H, W, C]`: a row for each of K labels `[K, …]`, a column for each of N
    latents."""
    count = len(jax.tree.leaves(latents)[0])
    at = np.tile(np.arange(count), len(labels))
    same = jax.tree.map(lambda leaf: np.asarray(leaf)[at], latents)
    return model.pictures(same, {"label": np.repeat(labels, count, axis=0)}, truncation)


def mixed(rows: np.ndarray, columns: np.ndarray, layers: Sequence[int]) -> np.ndarray:
    """`[R * C, L, W]` of `ws [R, L, W]` and `[C, L, W]`: each row's styles with those of `layers`
    replaced by each column's (Karras et al. 2019, figure 3)."""
    made = np.repeat(rows[:, None], len(columns), axis=1)
    chosen = list(layers)
    made[:, :, chosen] = columns[None, :, chosen]
    return made.reshape(-1, *rows.shape[1:])


def mixing_sheet(
    model: LatentModel, rows: np.ndarray, columns: np.ndarray, layers: Sequence[int]
) -> np.ndarray:
    """uint8 `[(R + 1) * (C + 1), H, W, C]`: above the columns and before the rows the pictures that
    are mixed; the corner is black."""
    sources = model.synthesise(np.concatenate([columns, rows]))
    cells = model.synthesise(mixed(rows, columns, layers))
    above, before = sources[: len(columns)], sources[len(columns) :]
    cells = cells.reshape(len(rows), len(columns), *cells.shape[1:])
    body = np.concatenate([before[:, None], cells], axis=1)
    head = np.concatenate([np.zeros_like(above[:1]), above])[None]
    return np.concatenate([head, body]).reshape(-1, *above.shape[1:])


def layers_of(text: str, count: int) -> tuple[int, ...]:
    """Layers from `2`, `0-3` or `0-1,4`, in order.

    Raises:
        UsageError: no layers, a range that runs backwards, or not of a generator that has `count`.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not first.isdecimal() or bool(dash) != last.isdecimal():
            raise UsageError(f"--layers={text}: must be numbers and ranges, as 0-3 or 0,2-4")
        least, most = int(first), int(last or first)
        if most < least:
            raise UsageError(f"--layers={text}: {part.strip()} runs backwards: {most}-{least}")
        if most >= count:
            raise UsageError(f"--layers={text}: this generator has layers 0 to {count - 1}")
        found |= set(range(least, most + 1))
    return tuple(sorted(found))


def towards(mean: np.ndarray, ws: np.ndarray, truncation: float) -> np.ndarray:
    """`ws [N, L, W]` drawn towards the mean `[W]`: 1 leaves them, 0 is the mean."""
    return ws if truncation == 1 else (mean + truncation * (ws - mean)).astype(np.float32)
