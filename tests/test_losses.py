"""Each loss against its written formula, and formulas with a slip against the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

REAL = np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
FAKE = np.array([2.0, -1.5, 0.0, 0.3, -6.0])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def against_the_mean(higher, lower):
    return -np.log(sigmoid(higher - lower.mean())) - np.log(1.0 - sigmoid(lower - higher.mean()))


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
    "least_squares": (
        lambda real, fake: (real - 1.0) ** 2 / 2 + fake**2 / 2,
        lambda real, fake: (fake - 1.0) ** 2 / 2,
    ),
    "wasserstein": (lambda real, fake: fake - real, lambda real, fake: -fake),
    "relativistic_pairing": (
        lambda real, fake: -np.log(sigmoid(real - fake)),
        lambda real, fake: -np.log(sigmoid(fake - real)),
    ),
    "relativistic_average": (
        against_the_mean,
        lambda real, fake: against_the_mean(fake, real),
    ),
}

SLIPS = {  # a sign, a one, a half, a mean: what each must not be
    "minimax": lambda real, fake: np.log(sigmoid(fake)),
    "non_saturating": lambda real, fake: -np.log(sigmoid(-fake)),
    "hinge": lambda real, fake: np.maximum(0.0, 1.0 - fake),
    "least_squares": lambda real, fake: (fake - 1.0) ** 2,
    "wasserstein": lambda real, fake: fake,
    "relativistic_pairing": lambda real, fake: -np.log(sigmoid(real - fake)),
    "relativistic_average": lambda real, fake: -np.log(sigmoid(fake - real.mean())),
}


def value_of(name, player):
    return getattr(getattr(losses, name), player)(jnp.asarray(REAL), jnp.asarray(FAKE))


def test_every_loss_has_a_formula():
    named = {name for name, loss in vars(losses).items()
             if isinstance(loss, losses.AdversarialLoss)}  # fmt: skip
    assert named == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_equals_its_formula(name, player):
    expected = FORMULAS[name][player == "generator"](REAL, FAKE)
    value = value_of(name, player)
    assert value.shape == (5,)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_would_be_seen(name):
    assert not np.allclose(value_of(name, "generator"), SLIPS[name](REAL, FAKE), rtol=1e-2)


def test_minimax_is_zero_sum_on_fakes():
    d = jax.grad(lambda fake: jnp.sum(losses.minimax.discriminator(REAL, fake)))(jnp.asarray(FAKE))
    g = jax.grad(lambda fake: jnp.sum(losses.minimax.generator(REAL, fake)))(jnp.asarray(FAKE))
    np.testing.assert_allclose(d, -g, rtol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_says_whether_the_generator_reads_real_logits(name):
    loss = getattr(losses, name)
    other = loss.generator(jnp.asarray(REAL) + 1.0, jnp.asarray(FAKE))
    assert loss.relativistic == (not np.allclose(other, value_of(name, "generator")))


@pytest.mark.parametrize("name", FORMULAS)
def test_the_boundary_is_where_both_kinds_pull_alike(name):
    """At the boundary a logit that is real half of the time stays; where only differences count,
    shifting all logits changes nothing."""
    loss = getattr(losses, name)
    if loss.boundary is None:
        shifted = loss.discriminator(jnp.asarray(REAL) + 3.0, jnp.asarray(FAKE) + 3.0)
        np.testing.assert_allclose(shifted, value_of(name, "discriminator"), rtol=1e-5)
    else:
        slope = jax.grad(lambda x: loss.discriminator(x, x))(jnp.asarray(loss.boundary))
        np.testing.assert_allclose(slope, 0.0, atol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_is_finite_at_extreme_logits(name):
    logits = jnp.array([-1e4, 1e4])
    loss = getattr(losses, name)
    for player in (loss.discriminator, loss.generator):
        value, gradient = jax.value_and_grad(lambda x, f=player: jnp.sum(f(x, x)))(logits)
        assert jnp.isfinite(value) and jnp.all(jnp.isfinite(gradient))


def test_label_smoothing_moves_the_real_target_alone():
    smooth = losses.label_smoothing(0.9)
    real, fake = sigmoid(REAL), sigmoid(FAKE)
    expected = -0.9 * np.log(real) - 0.1 * np.log(1.0 - real) - np.log(1.0 - fake)
    np.testing.assert_allclose(smooth.discriminator(REAL, FAKE), expected, rtol=1e-5)
    np.testing.assert_allclose(smooth.generator(REAL, FAKE), -np.log(fake), rtol=1e-5)
    best = jax.grad(lambda x: smooth.discriminator(x, 0.0))(jnp.log(9.0))
    np.testing.assert_allclose(best, 0.0, atol=1e-6)
    with pytest.raises(ValueError, match="above 0.5"):
        losses.label_smoothing(0.1)


@pytest.mark.parametrize(("share", "kept"), [(1.0, 5), (0.6, 3), (0.1, 1), (0.0, 1)])
def test_top_k_is_the_mean_of_the_lowest(share, kept):
    values = jnp.array([3.0, 1.0, 2.0, 1.0, 5.0])
    expected = np.mean(np.sort(np.asarray(values))[:kept])
    np.testing.assert_allclose(losses.top_k(values, share), expected, rtol=1e-6)
    gradient = jax.grad(lambda values: losses.top_k(values, share))(values)
    assert int(jnp.sum(gradient > 0)) == kept
    np.testing.assert_allclose(jnp.sum(gradient), 1.0, rtol=1e-6)
