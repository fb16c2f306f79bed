"""Drawn avatars put into larger pictures."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from gan_jax.data.avatars.generation import draw_avatars
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.avatars.version import SEED, SPLITS

DRAWN = 160
OUTER_CORNERS = [LANDMARKS.index("eyeRightOuterCorner"), LANDMARKS.index("eyeLeftOuterCorner")]


@functools.cache
def held_out():
    """Four avatars of the test split: RGBA pictures and landmarks in shares."""
    drawn = draw_avatars(SEED, SPLITS.index("test"), 0, 4, DRAWN)
    return np.asarray(drawn.image), np.asarray(drawn.landmarks)


def scene(
    index: int, side: int, degrees: float, centre: tuple[int, int], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Avatar `index`, `side` pixels large and turned with the clock about its middle, which lies at
    `centre` (x, y) of a picture of `shape` (height, width): RGB, and the landmarks' pixels."""
    images, landmarks = held_out()
    wide = 2 * side
    tile = Image.new("RGBA", (wide, wide))
    small = Image.fromarray(images[index]).resize((side, side), Image.Resampling.LANCZOS)
    tile.paste(small, (side // 2, side // 2))
    tile = tile.convert("RGBa").rotate(-degrees, Image.Resampling.BICUBIC).convert("RGBA")
    y, x = np.mgrid[: shape[0], : shape[1]]
    ground = np.stack([x % 256, y % 256, (x + y) // 4 % 256, 255 + 0 * x], axis=-1)
    layer = Image.new("RGBA", shape[::-1])
    layer.paste(tile, (centre[0] - side, centre[1] - side))
    picture = Image.alpha_composite(Image.fromarray(ground.astype(np.uint8)), layer)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = side % 2 / 2  # of an odd avatar's middle, pasted at whole pixels
    points = ((landmarks[index] - 0.5) * side + offset) @ turn.T + centre
    return np.asarray(picture.convert("RGB")), points


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance, in distances between the outer eye corners."""
    right, left = truth[OUTER_CORNERS]
    return float(np.linalg.norm(found - truth, axis=-1).mean() / np.linalg.norm(right - left))
