"""The adaptive probability p of ADA (Karras et al. 2020, arXiv:2006.06676, section 3.1) and of APA
(Jiang et al. 2021, arXiv:2111.06849, section 3.2), as pure functions over three scalars.

A discriminator that overfits is sure of the training pictures: the mean sign of its logits nears 1.
Every few rounds p rises by one fixed step where that mean is above a target, else falls by it; the
step is such that p runs from 0 to 1 in `ramp_kimg` thousand real pictures.

In a training step: `state = observe(state, real_signs(real_logits))` each round, and
`state = adapt(state, signs=4 * batch_size, images=4 * batch_size)` after it. Both papers: target
0.6, every 4 rounds, 500 thousand pictures; NVIDIA's release ramps over 100 thousand where it goes
on from other weights.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

TARGET = 0.6
RAMP_KIMG = 500.0  # thousand real pictures for p to run from 0 to 1


class AdaptiveState(NamedTuple):
    """Float32 scalars: p in [0, 1], and the signs since p last moved."""

    p: Array
    sign_sum: Array
    count: Array


def initial(p: float = 0.0) -> AdaptiveState:
    """No signs seen; p as given (published: 0)."""
    zero = jnp.zeros((), jnp.float32)
    return AdaptiveState(jnp.asarray(p, jnp.float32), zero, zero)


def real_signs(real_logits: Array) -> Array:
    """sign(D(x)) `[B]`: its mean is ADA's r_t and APA's lambda_r, which both papers use."""
    return jnp.sign(real_logits)


def observe(state: AdaptiveState, signs: Array) -> AdaptiveState:
    """Adds the signs `[B]` of a batch."""
    signs = signs.astype(jnp.float32)
    return state._replace(
        sign_sum=state.sign_sum + jnp.sum(signs), count=state.count + float(signs.size)
    )


def overfitting(state: AdaptiveState) -> Array:
    """The mean sign since p last moved, in [-1, 1]; 0 where none was seen."""
    return state.sign_sum / jnp.maximum(state.count, 1.0)


def update(
    state: AdaptiveState,
    *,
    images: Array | float,
    target: Array | float = TARGET,
    ramp_kimg: Array | float = RAMP_KIMG,
) -> AdaptiveState:
    """p + sign(r - target) images / (1000 ramp_kimg), clipped to [0, 1]; forgets the signs.

    `images`: real pictures between two updates. The published code keeps p from below 0 only, as
    probabilities beyond 1 act as 1; here p ends at 1, so it falls at once when overfitting ends.
    Without signs p stays.
    """
    step = jnp.sign(overfitting(state) - target) * images / (1000.0 * ramp_kimg)
    p = jnp.clip(state.p + jnp.where(state.count > 0, step, 0.0), 0.0, 1.0)
    return initial()._replace(p=p.astype(jnp.float32))


def adapt(
    state: AdaptiveState,
    *,
    signs: int,
    images: Array | float,
    target: Array | float = TARGET,
    ramp_kimg: Array | float = RAMP_KIMG,
) -> AdaptiveState:
    """`update` once so many signs are seen; until then the state itself. `images` are the real
    pictures that those signs stand for: more than `signs` where each device sees only its own."""
    updated = update(state, images=images, target=target, ramp_kimg=ramp_kimg)
    due = state.count >= signs
    return jax.tree.map(lambda new, old: jnp.where(due, new, old), updated, state)
