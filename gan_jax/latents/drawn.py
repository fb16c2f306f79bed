"""Drawn latents whose pictures are nearest to given ones: where to begin to look for them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.latents.distances import Distance
from gan_jax.latents.model import Conditions, LatentModel
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import PyTree

AT_ONCE = 8
"""Pictures whose features are held together: those of LPIPS are large."""


def nearest(
    model: LatentModel,
    latents: PyTree,
    batch: Conditions,
    distance: Distance,
    images: np.ndarray,
) -> np.ndarray:
    """For each picture, float `[N, H, W, C]`, the number of the nearest of the drawn latents
    `[M, …]`, `[N]`."""
    pictures = model.pictures(latents, batch)
    eye = jax.device_put(distance.variables)

    @jax.jit
    def apart(eye, targets, drawn):
        features = distance.features(eye, to_float(drawn))
        return jax.lax.map(lambda target: jnp.sum(jnp.square(features - target), axis=-1), targets)

    targets = jax.jit(distance.features)(eye, jnp.asarray(images))
    columns = []
    for start in range(0, len(pictures), AT_ONCE):
        rows = np.minimum(np.arange(start, start + AT_ONCE), len(pictures) - 1)
        columns.append(np.asarray(apart(eye, targets, jnp.asarray(pictures[rows]))))
    return np.concatenate(columns, axis=1)[:, : len(pictures)].argmin(axis=1)
