"""What the avatar metrics are at best and at worst: the renderer itself, noise, copies of one."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from gan_jax.data.avatars.generation import CHUNK, draw_avatars
from gan_jax.data.avatars.version import RENDERER_VERSION, SEED
from gan_jax.evaluators.pictures import Pictures
from gan_jax.networks.features.avatar_judge import SIZE

FRESH_SEED = SEED + 1
"""Of avatars that are in no data set."""


def bound_sets(count: int) -> dict[str, Pictures]:
    """By name, `count` pictures each: `ceiling` (drawn by the renderer, as good as it can be),
    `noise` (uniform in every pixel) and `copies` (one avatar, over and over)."""
    return {
        "ceiling": _lazy("renderer", count, lambda: fresh_avatars(count)),
        "noise": _lazy("noise", count, lambda: noise(count)),
        "copies": _lazy("copies", count, lambda: np.repeat(fresh_avatars(1), count, axis=0)),
    }


def fresh_avatars(count: int) -> np.ndarray:
    """uint8 `[count, 64, 64, 3]` on white, of a seed that no data set has."""
    drawn = [
        np.asarray(draw_avatars(FRESH_SEED, 0, start, min(CHUNK, count), SIZE).image)
        for start in range(0, count, min(CHUNK, count))
    ]
    pixels = np.concatenate(drawn)[:count].astype(np.float32)
    alpha = pixels[..., 3:] / 255.0
    return np.round(alpha * pixels[..., :3] + (1.0 - alpha) * 255.0).astype(np.uint8)


def noise(count: int) -> np.ndarray:
    """uint8 `[count, 64, 64, 3]`."""
    return np.random.default_rng(FRESH_SEED).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def _lazy(name: str, count: int, draw: Callable[[], np.ndarray]) -> Pictures:
    """Pictures that are drawn when the first of them is read."""
    drawn = functools.cache(draw)
    return Pictures(
        name=f"{name} ({count})",
        fingerprint=f"avatars {RENDERER_VERSION} {FRESH_SEED} {name} {count}",
        count=count,
        uniform=True,
        read=lambda index: drawn()[index],
    )
