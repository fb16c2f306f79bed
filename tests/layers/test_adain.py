"""Pixel norm, instance norm and AdaIN against their formulas in numpy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.adain import AdaIN, instance_norm
from gan_jax.layers.pixel_norm import pixel_norm
from tests.formulas import assert_slip_is_seen

RANDOM = np.random.default_rng(0)


# Tiny inputs show the epsilon.
SCALES = pytest.mark.parametrize("scale", [1.0, 1e-4])


@SCALES
def test_pixel_norm(scale):
    x = scale * RANDOM.normal(size=(2, 3, 5))
    square = (x**2).sum(-1, keepdims=True)
    found = pixel_norm(jnp.asarray(x))
    np.testing.assert_allclose(found, x / np.sqrt(square / 5 + 1e-8), rtol=1e-5)
    assert_slip_is_seen(found, x / np.sqrt(square + 1e-8))  # a sum for the mean
    assert_slip_is_seen(found, x / (square / 5 + 1e-8))  # no root
    over_pixels = (x**2).mean(1, keepdims=True)
    assert_slip_is_seen(found, x / np.sqrt(over_pixels + 1e-8))
    assert_slip_is_seen(found, x / np.sqrt(((x - x.mean(-1, keepdims=True)) ** 2).mean() + 1e-8))
    if scale < 1:
        assert_slip_is_seen(found, x / np.sqrt(square / 5))  # no epsilon
        assert_slip_is_seen(found, x / (np.sqrt(square / 5) + 1e-8))  # outside of the root
        assert_slip_is_seen(found, x / np.sqrt(square / 5 + 1e-5))  # another


def adain_by_hand(x, style, variance=np.mean, one=1, epsilon=1e-8, axes=(1, 2), centre=True):
    centred = x - x.mean(axes, keepdims=True)
    square = variance(centred**2, axis=axes, keepdims=True)
    normal = (centred if centre else x) / np.sqrt(square + epsilon)
    scale, shift = np.split(style[:, None, None], 2, axis=-1)
    return normal * (one + scale) + shift


@SCALES
def test_adain(scale):
    x, w = scale * RANDOM.normal(1.0, 1.0, (2, 3, 4, 5)), RANDOM.normal(size=(2, 6))
    kernel, bias = RANDOM.normal(size=(6, 10)), RANDOM.normal(size=10)
    style = w @ kernel / np.sqrt(6) + bias
    params = {"affine": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    found = AdaIN().apply({"params": params}, jnp.asarray(x), jnp.asarray(w))
    np.testing.assert_allclose(
        found, adain_by_hand(x, style), rtol=1e-3 if scale < 1 else 1e-5, atol=1e-5
    )

    def unbiased(square, axis, keepdims):
        return square.sum(axis, keepdims=keepdims) / (12 - 1)

    slips = [
        {"one": 0},
        {"one": -1},
        {"variance": unbiased},
        {"variance": np.sum},
        {"axes": (0, 1, 2)},
        {"axes": 3},
        {"centre": False},
        *([{"epsilon": 0}, {"epsilon": 1e-5}] if scale < 1 else []),
    ]
    for slip in slips:
        assert_slip_is_seen(found, adain_by_hand(x, style, **slip))
    crossed = np.concatenate([style[:, 5:], style[:, :5]], axis=1)  # shift for scale
    assert_slip_is_seen(found, adain_by_hand(x, crossed))
    for slip in (w @ kernel + bias, (w @ kernel + bias) / np.sqrt(6), style - bias):
        assert_slip_is_seen(found, adain_by_hand(x, slip))


def test_instance_norm_of_half_precision_is_computed_in_float32():
    x = (100 + RANDOM.normal(size=(1, 32, 32, 1))).astype(jnp.bfloat16)
    found = instance_norm(jnp.asarray(x))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(jnp.mean(found.astype(jnp.float32)), 0.0, atol=5e-3)
