"""One compilation for all tests that look at drawings."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.avatars.landmarks import LANDMARKS, landmarks
from gan_jax.data.avatars.layers import PARTS, composite, part_masks
from gan_jax.data.avatars.renderer import draw
from gan_jax.data.avatars.sampling import sample_split

SIZE = 64


class Drawing(NamedTuple):
    """`[B, H, W, 4]`, `[B, H, W, M]` seen and whole part masks, `[B, L, 2]`."""

    image: np.ndarray
    seen: np.ndarray
    whole: np.ndarray
    points: np.ndarray

    def mask(self, part: str, whole: bool = True) -> np.ndarray:
        return (self.whole if whole else self.seen)[..., PARTS.index(part)]

    def point(self, name: str) -> np.ndarray:
        return self.points[:, LANDMARKS.index(name)]


@cache
def _compiled():
    def draw_all(vector):
        layers = draw(vector, SIZE, SIZE)
        return (
            composite(layers),
            part_masks(layers, True),
            part_masks(layers, False),
            landmarks(vector),
        )

    return jax.jit(draw_all)


@pytest.fixture(scope="session")
def drawn():
    """Draws parameter vectors `[B, P]` at 64 pixels."""

    def run(vectors) -> Drawing:
        results = [_compiled()(vector) for vector in jnp.asarray(vectors)]
        return Drawing(*(np.stack(field) for field in zip(*results, strict=True)))

    return run


@pytest.fixture(scope="session")
def sample():
    """500 random avatars."""
    return sample_split(11, 0, 500)


@pytest.fixture(scope="session")
def drawn_sample(drawn, sample) -> Drawing:
    """The first 48 of them."""
    return drawn(sample.parameters[:48])
