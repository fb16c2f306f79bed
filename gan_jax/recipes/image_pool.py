"""The pool of earlier generated pictures that a discriminator is shown (Shrivastava et al. 2017).

A discriminator that sees the newest pictures alone forgets what the generator drew before, and the
two may run in circles. Here the pool is a pure value of fixed shape, so it lives in a recipe's
`extra` and a resumed run goes on with the very same pictures.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.errors import UsageError


class ImagePool(NamedTuple):
    """pictures: `[N, H, W, C]`, zeros where there are none yet. count: int32, how many there
    are."""

    pictures: Array
    count: Array


def empty_pool(size: int, shape: tuple[int, int, int]) -> ImagePool:
    """Of up to `size` pictures `[H, W, C]`; one of size 0 hands back what it is given.

    Raises:
        UsageError: a negative size.
    """
    if size < 0:
        raise UsageError(f"pool_size={size}: must be at least 0")
    return ImagePool(jnp.zeros((size, *shape), jnp.float32), jnp.zeros((), jnp.int32))


def exchange(pool: ImagePool, pictures: Array, key: Array) -> tuple[Array, ImagePool]:
    """What the discriminator is shown in the place of `pictures` `[B, H, W, C]`, and the new pool.

    One picture after the other, so that a later one may meet an earlier one of its batch: while
    the pool fills it goes in and is shown itself; afterwards, with probability 1/2, it takes the
    place of a random one of the pool, which is shown instead; else it is shown and not kept.
    """
    size = len(pool.pictures)
    if not size:
        return pictures, pool

    def one(pool: ImagePool, inputs: tuple[Array, Array]) -> tuple[ImagePool, Array]:
        picture, (coin_key, place_key) = inputs
        is_filling = pool.count < size
        place = jnp.where(is_filling, pool.count, jax.random.randint(place_key, (), 0, size))
        is_swapped = ~is_filling & jax.random.bernoulli(coin_key)
        held = pool.pictures[place]
        kept = jnp.where(is_filling | is_swapped, picture, held)
        count = jnp.minimum(pool.count + 1, size)
        shown = jnp.where(is_swapped, held, picture)
        return ImagePool(pool.pictures.at[place].set(kept), count), shown

    pool, shown = lax.scan(one, pool, (pictures, jax.random.split(key, (len(pictures), 2))))
    return shown, pool
