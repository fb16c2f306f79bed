"""Each loss against its written formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

REAL = np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
FAKE = np.array([2.0, -1.5, 0.0, 0.3, -6.0])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


FORMULAS = {
    "minimax": (
        lambda real, fake: -np.log(sigmoid(real)) - np.log(1.0 - sigmoid(fake)),
        lambda real, fake: np.log(1.0 - sigmoid(fake)),
    ),
    "non_saturating": (
        lambda real, fake: -np.log(sigmoid(real)) - np.log(1.0 - sigmoid(fake)),
        lambda real, fake: -np.log(sigmoid(fake)),
    ),
    "hinge": (
        lambda real, fake: np.maximum(0.0, 1.0 - real) + np.maximum(0.0, 1.0 + fake),
        lambda real, fake: -fake,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_equals_its_formula(name, player):
    expected = FORMULAS[name][player == "generator"](REAL, FAKE)
    value = getattr(getattr(losses, name), player)(jnp.asarray(REAL), jnp.asarray(FAKE))
    assert value.shape == (5,)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_minimax_is_zero_sum_on_fakes():
    d = jax.grad(lambda fake: jnp.sum(losses.minimax.discriminator(REAL, fake)))(jnp.asarray(FAKE))
    g = jax.grad(lambda fake: jnp.sum(losses.minimax.generator(REAL, fake)))(jnp.asarray(FAKE))
    np.testing.assert_allclose(d, -g, rtol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_is_finite_at_extreme_logits(name):
    logits = jnp.array([-1e4, 1e4])
    loss = getattr(losses, name)
    for player in (loss.discriminator, loss.generator):
        value, gradient = jax.value_and_grad(lambda x, f=player: jnp.sum(f(x, x)))(logits)
        assert jnp.isfinite(value) and jnp.all(jnp.isfinite(gradient))
