"""Ways through latent space: from keyframe to keyframe, open or as a ring.

Between normal latents a way follows the great circle, and its length goes in a straight line from
the one's to the other's: the middle of a straight line between two normal latents is shorter than
a latent of training ever is (White 2016, "Sampling generative networks"). Between styles it is a
straight line, for the mapping leaves w no sphere to keep to (Karras et al. 2019, section 4.1), or a
cubic spline through all keyframes, which does not turn at them.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from gan_jax.evaluators.path_length import along
from gan_jax.metrics.perceptual import lerp
from gan_jax.recipe import PyTree

Way = Callable[[np.ndarray, np.ndarray, bool], np.ndarray]
"""`(keyframes [K, …], positions [F], loop) -> [F, …]`; position 1.5 is midway from 1 to 2."""


def positions(keyframes: int, frames: int, loop: bool) -> np.ndarray:
    """`[F]`: `frames` from each keyframe to the next; an open way ends in the last keyframe, a ring
    just before the first."""
    stretches = keyframes if loop else keyframes - 1
    return np.arange(stretches * frames + (not loop)) / frames


def stretches(keyframes: int, frames: int, loop: bool) -> np.ndarray:
    """`[stretches, frames]`: each from a keyframe to the next, both ends counted."""
    start = np.arange(keyframes if loop else keyframes - 1)
    return start[:, None] + np.linspace(0.0, 1.0, frames)


def great_circle(keyframes: np.ndarray, at: np.ndarray, loop: bool) -> np.ndarray:
    """Direction along the great circle, length in a straight line."""
    a, b, t = _ends(keyframes, at)
    start, end = (jnp.asarray(x.reshape(len(at), -1), jnp.float32) for x in (a, b))
    return np.asarray(along(start, end, jnp.asarray(t))).reshape(a.shape)


def straight(keyframes: np.ndarray, at: np.ndarray, loop: bool) -> np.ndarray:
    """Straight lines."""
    a, b, t = _ends(keyframes, at)
    t = t.reshape(-1, *[1] * (a.ndim - 1))
    return np.asarray(lerp(jnp.asarray(a), jnp.asarray(b), jnp.asarray(t)))


def cubic(keyframes: np.ndarray, at: np.ndarray, loop: bool) -> np.ndarray:
    """The spline with continuous second derivatives; periodic as a ring, else with none at its
    ends."""
    if loop:
        ring = np.concatenate([keyframes, keyframes[:1]])
        spline = CubicSpline(np.arange(len(ring)), ring, bc_type="periodic")
    else:
        spline = CubicSpline(np.arange(len(keyframes)), keyframes, bc_type="natural")
    return spline(at).astype(np.float32)


def along_way(way: Way, keyframes: PyTree, at: np.ndarray, loop: bool) -> PyTree:
    """Every leaf `[K, …]` of the keyframes at positions `[F]`; whole numbers, such as classes, stay
    those of the keyframe before."""

    def leaf_at(leaf: np.ndarray) -> np.ndarray:
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.floating):
            return _ends(leaf, at)[0]
        return way(leaf, at, loop)

    return jax.tree.map(leaf_at, keyframes)


def _ends(keyframes: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The keyframes before and after each position, and how far it is between them."""
    before = np.floor(at).astype(int)
    count = len(keyframes)
    share = (at - before).astype(np.float32)
    return keyframes[before % count], keyframes[(before + 1) % count], share
