"""Random parameters, each drawn with a probability of its picture's own and else 0 (the neutral
value: factors are drawn as exponents of 2)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Chance = Array | None
"""Scalar; None means never, and nothing is traced."""


def chance(multiplier: float, p: Array) -> Chance:
    """A transform's probability: p times its multiplier."""
    return multiplier * p if multiplier > 0 else None


def chance_of_each(multiplier: float, p: Array) -> Chance:
    """Of each of two independent draws, where that of either is p times the multiplier."""
    return 1.0 - jnp.sqrt(jnp.clip(1.0 - multiplier * p, 0.0, 1.0)) if multiplier > 0 else None


def integers(key: Array, chance: Chance, batch: int, count: int, dtype: Any) -> Array:
    """One of 0 … count - 1, all alike, `[B]`."""
    if chance is None:
        return jnp.zeros(batch, dtype)
    value_key, chance_key = jax.random.split(key)
    drawn = jax.random.randint(value_key, (batch,), 0, count).astype(dtype)
    return _where_chosen(chance_key, chance, drawn)


def uniform(key: Array, chance: Chance, shape: tuple[int, ...], bound: float, dtype: Any) -> Array:
    """U[-bound, bound) of `shape`, whose first axis is the batch."""
    if chance is None:
        return jnp.zeros(shape, dtype)
    value_key, chance_key = jax.random.split(key)
    drawn = jax.random.uniform(value_key, shape, dtype, -bound, bound)
    return _where_chosen(chance_key, chance, drawn)


def normal(key: Array, chance: Chance, shape: tuple[int, ...], std: float, dtype: Any) -> Array:
    """N(0, std²) of `shape`, whose first axis is the batch."""
    if chance is None:
        return jnp.zeros(shape, dtype)
    value_key, chance_key = jax.random.split(key)
    return _where_chosen(chance_key, chance, std * jax.random.normal(value_key, shape, dtype))


def _where_chosen(key: Array, chance: Array, drawn: Array) -> Array:
    """A picture's parameters are drawn together or not at all."""
    chosen = jax.random.uniform(key, drawn.shape[:1]) < chance
    return jnp.where(chosen.reshape(-1, *(1,) * (drawn.ndim - 1)), drawn, 0.0)
