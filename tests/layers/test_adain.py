"""Pixel norm, instance norm and AdaIN against their formulas in numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.adain import AdaIN, instance_norm
from gan_jax.layers.pixel_norm import pixel_norm

RANDOM = np.random.default_rng(0)


# Tiny inputs show the epsilon.
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_pixel_norm(scale):
    x = scale * RANDOM.normal(size=(2, 3, 5))
    expected = x / np.sqrt((x**2).sum(-1, keepdims=True) / 5 + 1e-8)
    np.testing.assert_allclose(pixel_norm(jnp.asarray(x)), expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_adain(scale):
    x, w = scale * RANDOM.normal(1.0, 1.0, (2, 3, 4, 5)), RANDOM.normal(size=(2, 6))
    kernel, bias = RANDOM.normal(size=(6, 10)), RANDOM.normal(size=10)
    style = w @ kernel / np.sqrt(6) + bias
    centred = x - x.mean((1, 2), keepdims=True)
    normal = centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 1e-8)
    expected = normal * (1 + style[:, None, None, :5]) + style[:, None, None, 5:]
    params = {"affine": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    found = AdaIN().apply({"params": params}, jnp.asarray(x), jnp.asarray(w))
    np.testing.assert_allclose(found, expected, rtol=1e-3 if scale < 1 else 1e-5, atol=1e-5)


def test_instance_norm_of_half_precision_is_computed_in_float32():
    x = (100 + RANDOM.normal(size=(1, 32, 32, 1))).astype(jnp.bfloat16)
    found = instance_norm(jnp.asarray(x))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(jnp.mean(found.astype(jnp.float32)), 0.0, atol=5e-3)
