"""Noise injection: what is drawn when, and how it is scaled."""

from __future__ import annotations

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.layers.noise import NoiseInjection

X = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype(np.float32)


def layer(per_channel, strength):
    module = NoiseInjection(per_channel)
    variables = module.init(jax.random.key(0), X, "random")
    assert variables["params"]["strength"].shape == np.shape(strength)
    np.testing.assert_array_equal(variables["params"]["strength"], 0.0)
    return module, {**variables, "params": {"strength": jnp.asarray(strength)}}


@pytest.mark.parametrize(("per_channel", "strength"), [(False, 0.5), (True, [1.0, 2.0, 0.0, -1.0])])
def test_one_plane_a_sample_times_the_strength(per_channel, strength):
    module, variables = layer(per_channel, strength)
    added = module.apply(variables, X, "random", rngs={"noise": jax.random.key(1)}) - X
    strength = np.broadcast_to(strength, 4)
    plane = added[..., :1] / strength[0]
    np.testing.assert_allclose(added, plane * strength, atol=1e-5)
    assert abs(float(jnp.std(plane)) - 1) < 0.2
    assert not np.allclose(plane[0], plane[1])
    again = module.apply(variables, X, "random", rngs={"noise": jax.random.key(2)}) - X
    assert not np.allclose(added, again)


def test_constant_and_none():
    module, variables = layer(False, 0.5)
    added = module.apply(variables, X, "constant") - X
    plane = variables["noise"]["plane"]
    assert plane.shape == (8, 8, 1) and abs(float(jnp.std(plane)) - 1) < 0.3
    np.testing.assert_allclose(added, np.broadcast_to(0.5 * plane, X.shape), atol=1e-6)
    np.testing.assert_array_equal(module.apply(variables, X, "none"), X)


def test_random_noise_needs_a_key_and_no_collection():
    module, variables = layer(False, 0.5)
    with pytest.raises(flax.errors.InvalidRngError):
        module.apply(variables, X, "random")
    module.apply({"params": variables["params"]}, X, "random", rngs={"noise": jax.random.key(1)})
