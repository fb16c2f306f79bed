"""Modulated convolution against a kernel of its own for each sample, as the paper writes it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.ops.convolution import convolution
from gan_jax.ops.modulation import demodulation, modulated_convolution
from gan_jax.ops.resampled_convolution import doubling_convolution


def arrays(scale=1.0):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, 5, 4, 4), jnp.float64)
    kernel = jax.random.normal(keys[1], (3, 3, 4, 6), jnp.float64)
    return x, kernel, scale * jax.random.normal(keys[2], (3, 4), jnp.float64)


def naive(x, kernel, styles, convolve, demodulate):
    """Equations 1 and 3, sample by sample."""
    results = []
    for sample, style in zip(x, styles, strict=True):
        modulated = kernel * style[None, None, :, None]
        if demodulate:
            modulated /= jnp.sqrt(jnp.sum(modulated**2, axis=(0, 1, 2)) + 1e-8)
        results.append(convolve(sample[None], modulated))
    return jnp.concatenate(results)


# With tiny styles the epsilon under the root decides.
@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e-5])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("convolve", [convolution, doubling_convolution])
def test_equals_a_kernel_for_each_sample(convolve, demodulate, scale):
    with jax.enable_x64(True):
        arguments = arrays(scale)

        def loss(function, arguments):
            y = function(*arguments)
            return jnp.sum(jnp.sin(y / scale)), y

        def ours(x, kernel, styles):
            return modulated_convolution(x, kernel, styles, convolve, demodulate=demodulate)

        def reference(x, kernel, styles):
            return naive(x, kernel, styles, convolve, demodulate)

        found, expected = (
            jax.jit(jax.value_and_grad(lambda a, f=f: loss(f, a), has_aux=True))(arguments)
            for f in (ours, reference)
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max()),
        found,
        expected,
    )


def test_demodulated_kernels_have_norm_one():
    with jax.enable_x64(True):
        _, kernel, styles = arrays()
        factor = demodulation(kernel, styles)
        modulated = kernel * styles[:, None, None, :, None] * factor[:, None, None, None, :]
        np.testing.assert_allclose(jnp.sum(modulated**2, axis=(1, 2, 3)), 1.0, rtol=1e-7)


@pytest.mark.slow
def test_bfloat16_stays_near_float32():
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (3, 5, 4, 4), (3, 3, 4, 6), (3, 4)
    x, kernel, styles = map(jax.random.normal, keys, shapes)
    styles = 1e3 * styles
    exact = modulated_convolution(x, kernel, styles)
    rough = modulated_convolution(x.astype(jnp.bfloat16), kernel, styles)
    assert rough.dtype == jnp.bfloat16
    np.testing.assert_allclose(rough.astype(jnp.float32), exact, atol=0.05 * jnp.std(exact))
