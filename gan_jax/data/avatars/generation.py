"""Drawn avatars of a split, in order: what the data set is made of."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image

from gan_jax.data.avatars.landmarks import landmarks
from gan_jax.data.avatars.parameters import factors
from gan_jax.data.avatars.renderer import render, to_uint8
from gan_jax.data.avatars.sampling import sample_avatar
from gan_jax.data.avatars.version import SEED, SPLITS

CHUNK = 125  # avatars drawn in one call
THREADS = 2  # one call keeps one core busy


class Avatar(NamedTuple):
    """One example, or `[B, ...]` of them: `image` is `[H, W, 4]` uint8, or a PNG file's bytes."""

    image: Array | bytes
    landmarks: Array  # [L, 2]
    parameters: Array  # [P]
    expression: Array
    intensity: Array
    style: Array
    identity: Array  # [F] int32


@partial(jax.jit, static_argnums=(3, 4))
def draw_avatars(seed: int, split: int, start: int, count: int, size: int) -> Avatar:
    """Avatars start .. start + count - 1 of a split (by its number), stacked."""

    def draw(index: Array) -> Avatar:
        sample = sample_avatar(seed, split, index)
        vector = sample.parameters
        return Avatar(
            to_uint8(render(vector, size)), landmarks(vector), *sample, identity=factors(vector)
        )

    return jax.lax.map(draw, start + jnp.arange(count))


def avatars(split: str, count: int, size: int) -> Iterator[Avatar]:
    """The first `count` avatars of a split with PNG images; the i-th does not depend on `count`."""
    chunk = min(CHUNK, count)

    def draw(start: int) -> list[Avatar]:
        drawn = draw_avatars(SEED, SPLITS.index(split), start, chunk, size)
        rows = zip(*(np.asarray(value) for value in drawn), strict=True)
        return [Avatar(png(image), *rest) for image, *rest in rows][: count - start]

    with ThreadPoolExecutor(THREADS) as pool:
        first = [draw(0)]  # compiles, once
        rest = pool.map(draw, range(chunk, count, chunk))
        for drawn in chain(first, rest):
            yield from drawn


def png(image: np.ndarray) -> bytes:
    """`[H, W, 4]` uint8 as a file's bytes.

    Stored, not deflated: ArrayRecord compresses what it holds, by Zstandard, which is the smaller
    of the two here and takes a fifth of the time to undo.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="png", compress_level=0)
    return file.getvalue()
