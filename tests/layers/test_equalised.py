"""Equalised layers against their formula in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.equalised import EqualisedConvolution, EqualisedDense, scaled_leaky_relu
from tests.formulas import assert_slip_is_seen

RANDOM = np.random.default_rng(0)


def test_dense():
    layer = EqualisedDense(3, gain=1.7, lr_multiplier=0.01, bias_init=2.0)
    kernel, bias, x = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=3), RANDOM.normal(size=(4, 5))
    found = layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)
    product = x @ kernel
    np.testing.assert_allclose(found, product * 1.7 * 0.01 / np.sqrt(5) + 0.01 * bias, rtol=1e-5)
    for slip in (
        product * 0.01 / np.sqrt(5) + 0.01 * bias,  # no gain
        product * 1.7 * 0.01 + 0.01 * bias,  # not equalised
        product * 1.7 * 0.01 / 5 + 0.01 * bias,  # no root
        product * 1.7 * 0.01 / np.sqrt(3) + 0.01 * bias,  # by the outputs
        product * 1.7 * 0.01 / np.sqrt(5 + 3) + 0.01 * bias,  # by both
        product * 1.7 / np.sqrt(5) + 0.01 * bias,  # no multiplier of the kernel
        product * 1.7 * 0.01 / np.sqrt(5) + bias,  # nor of the bias
        product * 1.7 * 0.01 / np.sqrt(5) + 1.7 * 0.01 * bias,  # gain of the bias, too
        product * 1.7 * 0.01 / np.sqrt(5) - 0.01 * bias,
    ):
        assert_slip_is_seen(found, slip)


def test_dense_starts_at_the_multiplied_scale():
    params = EqualisedDense(200, lr_multiplier=0.01, bias_init=2.0).init(
        jax.random.key(0), jnp.ones((1, 200))
    )["params"]
    np.testing.assert_allclose(np.std(params["kernel"]), 100, rtol=0.02)
    np.testing.assert_array_equal(params["bias"], 2.0)


def test_convolution():
    layer = EqualisedConvolution(3, 3, gain=1.7)
    kernel, bias = RANDOM.normal(size=(3, 3, 2, 3)), RANDOM.normal(size=3)
    x = RANDOM.normal(size=(1, 5, 5, 2))
    found = layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)
    product = np.einsum("hwi,hwio->o", x[0, 1:4, 2:5], kernel)
    np.testing.assert_allclose(found[0, 2, 3], product * 1.7 / np.sqrt(18) + bias, rtol=1e-5)
    for slip in (
        product / np.sqrt(18) + bias,  # no gain
        product * 1.7 + bias,  # not equalised
        product * 1.7 / 18 + bias,  # no root
        product * 1.7 / np.sqrt(2) + bias,  # by the channels alone
        product * 1.7 / np.sqrt(9) + bias,  # by the window alone
        product * 1.7 / np.sqrt(27) + bias,  # by the outputs
        product * 1.7 / np.sqrt(18),
        np.einsum("hwi,hwio->o", x[0, 1:4, 2:5], kernel[::-1, ::-1]) * 1.7 / np.sqrt(18) + bias,
    ):
        assert_slip_is_seen(found[0, 2, 3], slip)


def test_activations_keep_the_second_moment():
    """Unit inputs, unit kernels, sqrt(2) after the LeakyReLU: about one, layer after layer."""
    x = jax.random.normal(jax.random.key(1), (256, 300))
    for index in range(3):
        layer = EqualisedDense(300)
        x = scaled_leaky_relu(layer.init_with_output(jax.random.key(index), x)[0])
    np.testing.assert_allclose(jnp.mean(x**2), 1.04**3, rtol=0.15)


def test_leaky_relu_slope_gain_and_clamp():
    found = scaled_leaky_relu(jnp.asarray([-300.0, -1.0, 2.0, 300.0]), gain=2.0, clamp=100.0)
    np.testing.assert_allclose(found, [-100.0, -0.4, 4.0, 100.0], rtol=1e-6)
    plain = scaled_leaky_relu(jnp.asarray([-1.0, 1.0]))
    np.testing.assert_allclose(plain, np.sqrt(2) * np.array([-0.2, 1.0]), rtol=1e-6)
    for slip in ([-0.2, 1.0], [-0.4, 2.0], [0.0, np.sqrt(2)], [-np.sqrt(2), np.sqrt(2)]):
        assert_slip_is_seen(plain, slip)


@pytest.mark.parametrize("layer", [EqualisedDense(2, dtype=jnp.bfloat16)])
def test_half_precision_keeps_parameters_in_float32(layer):
    y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 4)))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
