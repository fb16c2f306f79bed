"""Sliced Wasserstein distance of Laplacian-pyramid patches (Karras et al. 2018, PGGAN, section 5).

Needs no network: at each scale, do small neighbourhoods of the two sets look alike?
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan_jax.errors import DataError
from gan_jax.metrics.sliced import sliced_wasserstein

PATCH = 7
COARSEST = 16  # px, the smallest level
BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16
PICTURES = 256  # taken down the pyramid at a time


def patch_distances(
    a: ArrayLike,
    b: ArrayLike,
    *,
    patches: int = 128,
    projections: int = 4 * 128,
    seed: int,
) -> dict[int, float]:
    """Of pictures `[N, H, W, C]` and `[M, H, W, C]` in one range: for each level of the pyramid,
    by its height in pixels, finest first, the sliced W1 distance of `patches` 7x7 patches a
    picture, their channels normalised over each set. The paper gives 1000 times these numbers.
    """
    first, second = np.asarray(a), np.asarray(b)
    for pictures in (first, second):
        if pictures.ndim != 4 or not len(pictures) or min(pictures.shape[1:3]) < COARSEST:
            raise DataError(
                f"pictures of shape {pictures.shape}; [N, H, W, C] of {COARSEST} px or more needed"
            )
    if first.shape[1:] != second.shape[1:]:
        raise DataError(f"pictures of shapes {first.shape[1:]} and {second.shape[1:]}; resize one")
    # Different patches of the two sets, even where they hold the same pictures.
    of_first = level_patches(first, patches=patches, seed=seed)
    of_second = level_patches(second, patches=patches, seed=seed + 1)
    return {
        level: sliced_wasserstein(
            _normalised(of_first[level]),
            _normalised(of_second[level]),
            projections=projections,
            seed=seed,
        )
        for level in of_first
    }


def level_patches(pictures: np.ndarray, *, patches: int, seed: int) -> dict[int, np.ndarray]:
    """By the level's height: `[N * patches, 7, 7, C]` float32, cut at random places."""
    state = np.random.RandomState(seed)
    parts: dict[int, list[np.ndarray]] = {}
    for start in range(0, len(pictures), PICTURES):
        for level in laplacian_pyramid(pictures[start : start + PICTURES]):
            parts.setdefault(level.shape[1], []).append(_cut(level, patches, state))
    return {height: np.concatenate(part) for height, part in parts.items()}


def laplacian_pyramid(pictures: np.ndarray) -> list[np.ndarray]:
    """`[B, H, W, C]` -> float32 levels, finest first; each is what the next, enlarged, lacks; the
    last is the remaining small picture. Halved while both sides are even and stay >= 16 px."""
    level, levels = pictures.astype(np.float32), []
    while all(side % 2 == 0 and side >= 2 * COARSEST for side in level.shape[1:3]):
        smaller = _blurred(level)[:, ::2, ::2]
        levels.append(level - _enlarged(smaller))
        level = smaller
    return [*levels, level]


def _enlarged(pictures: np.ndarray) -> np.ndarray:
    """Twice the size: zeros between, blurred, and 4 times as bright to make up for them."""
    batch, height, width, channels = pictures.shape
    spread = np.zeros((batch, 2 * height, 2 * width, channels), np.float32)
    spread[:, ::2, ::2] = pictures
    return 4.0 * _blurred(spread)


def _blurred(pictures: np.ndarray) -> np.ndarray:
    for axis in (1, 2):
        size = pictures.shape[axis]
        padding = [(2, 2) if number == axis else (0, 0) for number in range(4)]
        padded = np.pad(pictures, padding, mode="reflect")
        shifted = (np.take(padded, range(tap, tap + size), axis=axis) for tap in range(len(BLUR)))
        pictures = sum(
            (weight * part for weight, part in zip(BLUR, shifted, strict=True)),
            start=np.zeros((), np.float32),
        )
    return pictures


def _cut(level: np.ndarray, patches: int, state: np.random.RandomState) -> np.ndarray:
    batch, height, width, _ = level.shape
    which = np.repeat(np.arange(batch), patches)
    tops = state.randint(0, height - PATCH + 1, len(which))
    lefts = state.randint(0, width - PATCH + 1, len(which))
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    return np.moveaxis(windows[which, tops, lefts], 1, -1)


def _normalised(patches: np.ndarray) -> np.ndarray:
    """`[P, 7, 7, C]` -> `[P, 49 C]` with mean 0 and deviation 1 in each channel of the set."""
    mean = patches.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = patches.std(axis=(0, 1, 2), dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)  # a flat channel stays at 0
    return ((patches - mean) / scale).astype(np.float32).reshape(len(patches), -1)
