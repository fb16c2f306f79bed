"""Filters of each place's own against loops over every pixel, and their gradient against JAX's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.ops.local_filter import local_filter

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(2, 5, 6, 3)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(2, 5, 6, 3, 5)).astype(np.float32)
COTANGENT = RANDOM.normal(size=IMAGES.shape).astype(np.float32)


def derived(images, weights):
    """Written as gathers, which JAX differentiates."""
    height, width = images.shape[1:3]
    rows, columns = weights.shape[3:]
    y = jnp.arange(height)[:, None] + jnp.arange(rows) - rows // 2
    x = jnp.arange(width)[:, None] + jnp.arange(columns) - columns // 2
    y, x = jnp.clip(y, 0, height - 1), jnp.clip(x, 0, width - 1)
    parts = images[:, y[:, None, :, None], x[None, :, None, :]]
    return jnp.einsum("byxijc,byxij->byxc", parts, weights, precision="highest")


def test_each_place_mixes_the_colours_around_it():
    expected = np.zeros_like(IMAGES)
    for b, y, x, row, column in np.ndindex(*WEIGHTS.shape):
        there = np.clip([y + row - 1, x + column - 2], 0, (4, 5))
        expected[b, y, x] += WEIGHTS[b, y, x, row, column] * IMAGES[b, *there]
    np.testing.assert_allclose(local_filter(IMAGES, WEIGHTS), expected, atol=1e-5)
    np.testing.assert_allclose(derived(IMAGES, WEIGHTS), expected, atol=1e-5)


def test_one_weight_moves_the_picture():
    weights = np.zeros((2, 5, 6, 3, 3), np.float32)
    weights[..., 2, 0] = 1
    moved = local_filter(IMAGES, weights)
    np.testing.assert_array_equal(moved[:, :-1, 1:], IMAGES[:, 1:, :-1])


@pytest.mark.parametrize("order", [1, 2])
def test_its_gradient(order):
    def gradients(filter):
        def slopes(images, weights):
            return jax.vjp(filter, images, weights)[1](COTANGENT)

        if order == 1:
            return slopes(IMAGES, WEIGHTS)
        return jax.grad(lambda *values: sum(jnp.sum(jnp.sin(x)) for x in slopes(*values)), (0, 1))(
            IMAGES, WEIGHTS
        )

    for found, expected in zip(gradients(local_filter), gradients(derived), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=2e-5)
