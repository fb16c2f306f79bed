"""Doubling and halving convolutions against resampling and convolution one after the other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.ops.resampled_convolution import (
    averaging_convolution,
    doubling_convolution,
    halving_convolution,
    repeating_convolution,
)
from tests.ops.test_resampling import by_definition


def correlate(x, kernel, padding):
    return lax.conv_general_dilated(
        x, kernel, (1, 1), ((padding, padding),) * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def arrays(k):
    x = jax.random.normal(jax.random.key(0), (2, 6, 4, 3), jnp.float64)
    return x, jax.random.normal(jax.random.key(1), (k, k, 3, 5), jnp.float64)


@pytest.mark.slow
@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 2, 1), (1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_fir(k, taps):
    """The padding of the convolution joins that of the filter, as published."""
    with jax.enable_x64(True):
        x, kernel = arrays(k)
        up = (len(taps) + 1) // 2 + k // 2, (len(taps) - 2) // 2 + k // 2
        expected = correlate(by_definition(x, taps, 2, 1, up, 4.0), kernel, 0)
        found = jax.jit(doubling_convolution, static_argnums=2)(x, kernel, taps)
        assert found.shape == (2, 12, 8, 5)
        np.testing.assert_allclose(found, expected, atol=1e-12)

        down = (len(taps) - 1) // 2 + k // 2, (len(taps) - 2) // 2 + k // 2
        expected = correlate(by_definition(x, taps, 1, 1, down, 1.0), kernel, 0)[:, ::2, ::2]
        found = jax.jit(halving_convolution, static_argnums=2)(x, kernel, taps)
        assert found.shape == (2, 3, 2, 5)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.slow
def test_repeated_and_averaged_pixels():
    with jax.enable_x64(True):
        x, kernel = arrays(3)
        repeated = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        found = repeating_convolution(x, kernel)
        np.testing.assert_allclose(found, correlate(repeated, kernel, 1), atol=1e-12)
        averaged = correlate(x, kernel, 1).reshape(2, 3, 2, 2, 2, 5).mean((2, 4))
        np.testing.assert_allclose(averaging_convolution(x, kernel), averaged, atol=1e-12)
