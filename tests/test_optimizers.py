"""Optimizer parts: the lazy correction's formula, clipped weights, frozen layers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.errors import UsageError
from gan_jax.optimizers import clip_weights, freeze, lazy_adam
from gan_jax.state import injected, with_injected


def test_lazy_adam_is_the_published_correction():
    found = lazy_adam(learning_rate=0.002, b1=0.5, b2=0.99, every=16)
    assert found["learning_rate"] == pytest.approx(0.002 * 16 / 17)
    assert found["b1"] == pytest.approx(0.5 ** (16 / 17))
    assert found["b2"] == pytest.approx(0.99 ** (16 / 17))
    # k rounds take k + 1 steps: they decay as k steps did before.
    assert found["b2"] ** 17 == pytest.approx(0.99**16)
    unchanged = lazy_adam(learning_rate=0.002, b1=0.5, b2=0.99, every=1)
    assert unchanged == {"learning_rate": 0.002, "b1": 0.5, "b2": 0.99}
    with pytest.raises(UsageError, match="not every 0"):
        lazy_adam(learning_rate=0.002, b1=0.5, b2=0.99, every=0)


def test_clipped_weights_stay_within_the_limit():
    params = {"w": jnp.array([0.5, -0.02, 0.009])}
    optimizer = optax.chain(optax.sgd(1.0), clip_weights(0.01))
    grads = {"w": jnp.array([0.0, -0.025, 0.004])}
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_allclose(after["w"], [0.01, 0.005, 0.005], atol=1e-7)


def test_frozen_parameters_stay():
    params = {"Convolution_0": {"kernel": jnp.ones(2)}, "Dense_0": {"kernel": jnp.ones(2)}}
    optimizer = optax.inject_hyperparams(
        lambda learning_rate: freeze(
            optax.adam(learning_rate), lambda name: name.startswith("Convolution_0/")
        )
    )(0.1)
    updates, _ = optimizer.update(
        jax.tree.map(jnp.ones_like, params), optimizer.init(params), params
    )
    after = optax.apply_updates(params, updates)
    np.testing.assert_array_equal(after["Convolution_0"]["kernel"], 1.0)
    np.testing.assert_allclose(after["Dense_0"]["kernel"], 0.9, rtol=1e-5)


@pytest.mark.parametrize("prefix", ["Conv_0/", ""])
def test_freezing_nothing_or_everything_is_refused(prefix):
    params = {"Convolution_0": {"kernel": jnp.ones(2)}, "Dense_0": {"kernel": jnp.ones(2)}}
    with pytest.raises(UsageError, match="Convolution_0/kernel"):
        freeze(optax.sgd(0.1), lambda name: name.startswith(prefix)).init(params)


@pytest.mark.parametrize(
    "around",
    [
        lambda adam: adam,
        lambda adam: optax.chain(adam, clip_weights(10.0)),
        lambda adam: freeze(adam, lambda name: name == "still"),
    ],
)
def test_hyperparameters_are_found_and_set_wherever_they_are(around):
    params = {"still": jnp.ones(2), "moved": jnp.ones(2)}
    optimizer = around(optax.inject_hyperparams(optax.adam)(0.1, b1=0.0))
    state = optimizer.init(params)
    assert {"learning_rate", "b1", "b2"} <= injected(state).keys()
    state = with_injected(state, injected(state) | {"learning_rate": jnp.float32(0.5)})
    assert injected(state)["learning_rate"] == 0.5
    updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
    np.testing.assert_allclose(updates["moved"], -0.5, rtol=1e-5)
