"""Seeded avatars: the i-th of a split is a pure function of (seed, split, i)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.data.avatars.expressions import EXPRESSIONS, MIRROR, express
from gan_jax.data.avatars.parameters import HIGH, INDEX, LOW, NAMES, PARAMETERS, group

WEIGHTS = {"headwear": (6, 2, 2, 2, 2, 2, 2), "eyewear": (6, 2, 1)}  # other choices are even


class Sample(NamedTuple):
    """An avatar `[P]` with its expression class and intensity and its style's number."""

    parameters: Array
    expression: Array
    intensity: Array
    style: Array


def sample_parameters(key: Array) -> Sample:
    """Identity, style, expression and pose, drawn independently."""
    keys = jax.random.split(key, 6)
    vector = _identity(keys[0])
    expression = jax.random.randint(keys[1], (), 0, len(EXPRESSIONS))
    intensity = jax.random.uniform(keys[2], (), minval=0.65, maxval=1.0)
    vector = _jittered(express(vector, expression, intensity), keys[3])
    vector = jnp.where(jax.random.bernoulli(keys[4]), vector[MIRROR], vector)
    vector = _posed(vector, keys[5])
    return Sample(
        vector, expression, intensity, jnp.round(vector[INDEX["style"]]).astype(jnp.int32)
    )


def _identity(key: Array) -> Array:
    """Discrete choices by weight; the rest evenly over its range, drawn in to the middle."""
    pair = jax.random.uniform(key, (2, len(NAMES)))
    vector = jnp.asarray(LOW) + (HIGH - LOW) * pair.mean(axis=0)  # triangular: extremes are rare
    for index, parameter in enumerate(PARAMETERS):
        if parameter.choices:
            weights = np.array(WEIGHTS.get(parameter.name, (1,) * len(parameter.choices)), float)
            bounds = np.cumsum(weights / weights.sum())[:-1].astype(np.float32)
            vector = vector.at[index].set((pair[0, index] > bounds).sum().astype(jnp.float32))
    return vector


def _jittered(vector: Array, key: Array) -> Array:
    """A face at rest is never quite still: small deviations of every expression parameter."""
    indices = group("expression")
    indices = indices[[not NAMES[i].endswith(("tears", "gloom", "tongueOut")) for i in indices]]
    noise = jax.random.normal(key, (len(indices),))
    scale = np.array(
        [0.22 if NAMES[i].startswith("eyeLook") else 0.05 for i in indices], np.float32
    )
    moved = vector[indices] + jnp.where(LOW[indices] < 0, noise, jnp.abs(noise)) * scale
    return vector.at[indices].set(jnp.clip(moved, LOW[indices], HIGH[indices]))


def _posed(vector: Array, key: Array) -> Array:
    indices = group("pose")
    angles = jax.random.normal(key, (3,)) * jnp.array([11.0, 6.0, 6.0])
    return vector.at[indices].set(jnp.clip(angles, LOW[indices], HIGH[indices]))


def sample_avatar(seed: int | Array, split: int | Array, index: int | Array) -> Sample:
    """The avatar of that index in the split of that number."""
    key = jax.random.fold_in(jax.random.key(seed), split)
    return sample_parameters(jax.random.fold_in(key, index))


@partial(jax.jit, static_argnums=2)
def sample_split(seed: int, split: int, count: int) -> Sample:
    """The first `count` avatars of a split (by its number in `SPLITS`), stacked."""
    return jax.vmap(lambda index: sample_avatar(seed, split, index))(jnp.arange(count))
