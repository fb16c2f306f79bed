"""A filter of each place's own over the pixels around it (De Brabandere et al. 2016, Dynamic filter
networks, section 3.2)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.custom_vjp
def local_filter(images: Array, weights: Array) -> Array:
    """`out[y, x] = sum over dy, dx of weights[y, x, dy, dx] · images[y + dy, x + dx]`, which takes
    colours from up to `reach` pixels away; beyond the border are the border's own.

    Its gradient is written out (first order, reverse only): what JAX derives pads every one of the
    shifted pictures, and takes four times as long on CPU.

    Args:
        images: `[B, H, W, C]`.
        weights: `[B, H, W, 2 · reach + 1, 2 · reach + 1]`, of dy and dx from -reach on; in the
            images' dtype.

    Returns:
        `[B, H, W, C]`.
    """
    planes, shifted = jnp.moveaxis(weights, (3, 4), (0, 1)), _shifts(images, weights)
    out = sum(planes[row, column][:, None] * part for (row, column), part in shifted)
    return jnp.moveaxis(out, 1, -1)


def _forward(images: Array, weights: Array):
    return local_filter(images, weights), (images, weights)


def _backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    images, weights = saved
    planes = jnp.moveaxis(cotangent, -1, 1)
    products = [jnp.sum(part * planes, 1) for _, part in _shifts(images, weights)]
    of_weights = jnp.moveaxis(jnp.stack(products), 0, -1).reshape(weights.shape)
    padded, unpad = jax.vjp(lambda x: _padded(x, weights), images)
    flat = weights.reshape(*weights.shape[:3], -1)

    def add(index: Array, total: Array) -> Array:
        part = cotangent * lax.dynamic_slice_in_dim(flat, index, 1, -1)
        at = (0, index // weights.shape[4], index % weights.shape[4], 0)
        return lax.dynamic_update_slice(total, lax.dynamic_slice(total, at, part.shape) + part, at)

    total = lax.fori_loop(0, flat.shape[-1], add, jnp.zeros_like(padded))
    return unpad(total)[0], of_weights


def _padded(images: Array, weights: Array) -> Array:
    rows, columns = (side // 2 for side in weights.shape[3:])
    return jnp.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), mode="edge")


def _shifts(images: Array, weights: Array):
    """`((row, column), [B, C, H, W])` of the weights' every place."""
    height, width = images.shape[1:3]
    padded = jnp.moveaxis(_padded(images, weights), -1, 1)
    return [
        ((row, column), padded[:, :, row : row + height, column : column + width])
        for row in range(weights.shape[3])
        for column in range(weights.shape[4])
    ]


local_filter.defvjp(_forward, _backward)
