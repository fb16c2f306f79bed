"""Drawn avatars of a split, in order: what the data set is made of."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from gan_jax.data.avatars.landmarks import landmarks_batch
from gan_jax.data.avatars.parameters import factors
from gan_jax.data.avatars.renderer import render_batch
from gan_jax.data.avatars.sampling import sample_split

SEED = 2024
CHUNK = 125  # pictures drawn in one call
THREADS = 2


class Avatar(NamedTuple):
    """One example: `[H, W, 4]` uint8, `[L, 2]`, `[P]`, class, intensity, style, `[F]` int32."""

    image: np.ndarray
    landmarks: np.ndarray
    parameters: np.ndarray
    expression: int
    intensity: float
    style: int
    identity: np.ndarray


def render_chunks(vectors: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """`[N, P]` -> pictures `[n, H, W, 4]` uint8 in order, some at a time.

    Two threads draw, as one call keeps one core busy; at most a few chunks are held.
    """
    size_of_chunk = min(CHUNK, len(vectors))
    starts = range(0, len(vectors), size_of_chunk)
    spare = np.repeat(vectors[-1:], -len(vectors) % size_of_chunk, axis=0)
    padded = np.concatenate([vectors, spare])  # one shape, one compilation

    def draw(start: int) -> np.ndarray:
        return np.asarray(render_batch(jnp.asarray(padded[start : start + size_of_chunk]), size))

    with ThreadPoolExecutor(THREADS) as pool:
        first = draw(0)
        ahead = [pool.submit(draw, start) for start in starts[1 : 1 + 2 * THREADS]]
        yield first[: len(vectors)]
        for number, start in enumerate(starts[1:], 1):
            chunk = ahead.pop(0).result()
            if number + 2 * THREADS < len(starts):
                ahead.append(pool.submit(draw, starts[number + 2 * THREADS]))
            yield chunk[: len(vectors) - start]


def avatars(split: str, count: int, size: int) -> Iterator[Avatar]:
    """The first `count` avatars of a split; the i-th does not depend on `count`."""
    sample = sample_split(SEED, split, count)
    points, identity = landmarks_batch(sample.parameters), factors(sample.parameters)
    rows = [np.asarray(value) for value in (points, *sample, identity)]
    pictures = (picture for chunk in render_chunks(rows[1], size) for picture in chunk)
    for picture, *row in zip(pictures, *rows, strict=True):
        point, vector, expression, intensity, style, factor = row
        yield Avatar(
            picture, point, vector, int(expression), float(intensity), int(style), factor
        )
