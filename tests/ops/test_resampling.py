"""FIR resampling against its definition with the zeros written out, to the second derivative."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.ops.resampling import blur, downsample, resample, upsample

# Taps (lopsided ones show a filter turned the wrong way), up, down, padding.
CASES = [
    ((1, 3, 3, 1), 1, 1, (2, 1)),
    ((1, 3, 3, 1), 2, 1, (2, 1)),
    ((1, 3, 3, 1), 1, 2, (1, 1)),
    ((1, 2, 3, 4, 5), 3, 2, (-1, 3)),
    ((1, 2, 3), 2, 3, (3, -1)),
    ((1,), 3, 1, (0, 0)),
    ((1, 1), 1, 3, (-1, -1)),
]


@partial(jax.jit, static_argnums=range(1, 6))
def by_definition(x, taps, up, down, padding, gain):
    """Zeros in, padding, convolution by the outer product, every n-th pixel: in XLA's own words."""
    filter_ = np.outer(taps, taps)[::-1, ::-1] * gain / np.sum(taps) ** 2
    batch, height, width, channels = x.shape
    # Zeros after the last pixel too.
    stuffed = jnp.zeros((batch, height, up, width, up, channels), x.dtype)
    stuffed = stuffed.at[:, :, 0, :, 0].set(x).reshape(batch, height * up, width * up, channels)
    kernel = jnp.tile(jnp.asarray(filter_, x.dtype)[:, :, None, None], (1, 1, 1, channels))
    y = lax.conv_general_dilated(
        stuffed,
        kernel,
        (1, 1),
        (padding, padding),
        feature_group_count=channels,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y[:, ::down, ::down]


def all_orders(operation, x):
    """The value, its gradient, and the gradient of a function of that."""

    def loss(x):
        return jnp.sum(operation(x) ** 3)

    def penalty(x):
        return jnp.sum(jax.grad(loss)(x) ** 3)

    return operation(x), jax.grad(loss)(x), jax.grad(penalty)(x)


@pytest.mark.slow
@pytest.mark.parametrize(("taps", "up", "down", "padding"), CASES)
def test_equals_the_definition_to_the_second_derivative(taps, up, down, padding):
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(0), (2, 5, 6, 3), jnp.float64)

        def ours(x):
            return resample(x, taps, up=up, down=down, padding=padding, gain=2.5)

        def reference(x):
            return by_definition(x, taps, up, down, padding, 2.5)

        found = jax.jit(lambda x: all_orders(ours, x))(x)
        expected = jax.jit(lambda x: all_orders(reference, x))(x)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


# What the release of StyleGAN2 puts around a picture, by the length of its filter.
@pytest.mark.parametrize(
    ("taps", "up", "down", "still"),
    [
        ((1, 3, 3, 1), (2, 1), (1, 1), (2, 1)),
        ((1, 2, 1), (2, 0), (1, 0), (1, 1)),
        ((1, 1), (1, 0), (0, 0), (1, 0)),
    ],
)
def test_paddings_are_the_published_ones(taps, up, down, still):
    x = jax.random.normal(jax.random.key(1), (1, 4, 6, 2))
    cases = [
        (upsample, by_definition(x, taps, 2, 1, up, 4.0), (1, 8, 12, 2)),
        (downsample, by_definition(x, taps, 1, 2, down, 1.0), (1, 2, 3, 2)),
        (blur, by_definition(x, taps, 1, 1, still, 1.0), x.shape),
    ]
    for operation, expected, shape in cases:
        assert expected.shape == shape
        found = jax.jit(operation, static_argnums=1)(x, taps)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_constant_keeps_its_value_inside():
    x = jnp.full((1, 12, 12, 1), 3.0)
    for operation in (upsample, downsample, blur):
        inside = np.asarray(jax.jit(operation)(x))[0, 2:-2, 2:-2, 0]
        assert inside.size
        np.testing.assert_allclose(inside, 3.0, rtol=1e-6)


def test_half_precision_is_added_up_in_float32():
    x = jax.random.normal(jax.random.key(2), (1, 8, 8, 2)).astype(jnp.bfloat16)
    found = jax.jit(upsample)(x)
    assert found.dtype == jnp.bfloat16
    exact = jax.jit(upsample)(x.astype(jnp.float32))
    # One rounding after each axis.
    error = np.abs(found.astype(jnp.float32) - exact)
    assert np.all(error <= 2**-8 * jax.jit(upsample)(jnp.abs(x).astype(jnp.float32)) * 2.01)


def primitives(jaxpr):
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from primitives(inner)


def test_no_convolution_and_no_zeros_put_in():
    """XLA's depthwise convolution is slow in loops on CPU; so is adding zeros up."""

    def loss(x):
        return jnp.sum(upsample(downsample(x)) ** 2)

    jaxpr = jax.make_jaxpr(jax.grad(lambda x: jnp.sum(jax.grad(loss)(x) ** 2)))(
        jnp.ones((1, 8, 8, 2))
    )
    names = set(primitives(jaxpr.jaxpr))
    assert "pad" in names
    assert not names & {"conv_general_dilated", "scatter-add", "scatter", "gather"}


def test_a_filter_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="4 taps is larger"):
        resample(jnp.ones((1, 3, 3, 1)), (1, 3, 3, 1))
