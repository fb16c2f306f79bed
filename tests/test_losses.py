"""Each loss against its written formula, and formulas with a slip against the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from tests.formulas import assert_slip_is_seen

REAL = np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
FAKE = np.array([2.0, -1.5, 0.0, 0.3, -6.0])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def log_d(logits):
    return np.log(sigmoid(logits))


def relu(x):
    return np.maximum(0.0, x)


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
    ("minimax", "discriminator"): {
        "sign of the real half": lambda real, fake: -log_d(-real) - log_d(-fake),
        "sign of the fake half": lambda real, fake: -log_d(real) - log_d(fake),
        "no fake half": lambda real, fake: -log_d(real),
        "a half": lambda real, fake: -(log_d(real) + log_d(-fake)) / 2,
    },
    ("minimax", "generator"): {
        "sign": lambda real, fake: -log_d(-fake),
        "sign of the logit": lambda real, fake: log_d(fake),
        "not saturating": lambda real, fake: -log_d(fake),
        "a half": lambda real, fake: log_d(-fake) / 2,
    },
    ("non_saturating", "discriminator"): {
        "sign of the real half": lambda real, fake: -log_d(-real) - log_d(-fake),
        "sign of the fake half": lambda real, fake: -log_d(real) - log_d(fake),
        "no real half": lambda real, fake: -log_d(-fake),
        "a half": lambda real, fake: -(log_d(real) + log_d(-fake)) / 2,
    },
    ("non_saturating", "generator"): {
        "sign": lambda real, fake: log_d(fake),
        "sign of the logit": lambda real, fake: -log_d(-fake),
        "saturating": lambda real, fake: log_d(-fake),
    },
    ("hinge", "discriminator"): {
        "no one in the real half": lambda real, fake: relu(-real) + relu(1 + fake),
        "no one in the fake half": lambda real, fake: relu(1 - real) + relu(fake),
        "sign of the real half": lambda real, fake: relu(1 + real) + relu(1 + fake),
        "sign of the fake half": lambda real, fake: relu(1 - real) + relu(1 - fake),
        "no hinge": lambda real, fake: (1 - real) + (1 + fake),
        "a half": lambda real, fake: (relu(1 - real) + relu(1 + fake)) / 2,
    },
    ("hinge", "generator"): {
        "sign": lambda real, fake: fake,
        "a hinge": lambda real, fake: relu(1 - fake),
        "a one": lambda real, fake: 1 - fake,
    },
    ("least_squares", "discriminator"): {
        "no one": lambda real, fake: (real**2 + fake**2) / 2,
        "sign of the one": lambda real, fake: ((real + 1) ** 2 + fake**2) / 2,
        "a one in the fake half": lambda real, fake: ((real - 1) ** 2 + (fake + 1) ** 2) / 2,
        "no half": lambda real, fake: (real - 1) ** 2 + fake**2,
        "a half in one place": lambda real, fake: (real - 1) ** 2 + fake**2 / 2,
    },
    ("least_squares", "generator"): {
        "no one": lambda real, fake: fake**2 / 2,
        "sign of the one": lambda real, fake: (fake + 1) ** 2 / 2,
        "no half": lambda real, fake: (fake - 1) ** 2,
    },
    ("wasserstein", "discriminator"): {
        "sign": lambda real, fake: real - fake,
        "sign of the real half": lambda real, fake: fake + real,
        "no real half": lambda real, fake: fake,
    },
    ("wasserstein", "generator"): {
        "sign": lambda real, fake: fake,
        "against real logits": lambda real, fake: real - fake,
    },
    ("relativistic_pairing", "discriminator"): {
        "sign": lambda real, fake: -log_d(fake - real),
        "not relativistic": lambda real, fake: -log_d(real) - log_d(-fake),
        "a mean for the pair": lambda real, fake: -log_d(real - fake.mean()),
    },
    ("relativistic_pairing", "generator"): {
        "sign": lambda real, fake: -log_d(real - fake),
        "not relativistic": lambda real, fake: -log_d(fake),
        "a mean for the pair": lambda real, fake: -log_d(fake - real.mean()),
    },
    ("relativistic_average", "discriminator"): {
        "sign": lambda real, fake: against_the_mean(fake, real),
        "no second half": lambda real, fake: -log_d(real - fake.mean()),
        "a pair for the mean": lambda real, fake: -2 * log_d(real - fake),
        "a sum for the mean": lambda real, fake: (
            -log_d(real - fake.sum()) - log_d(real.sum() - fake)
        ),
        "a half": lambda real, fake: against_the_mean(real, fake) / 2,
    },
    ("relativistic_average", "generator"): {
        "sign": lambda real, fake: against_the_mean(real, fake),
        "no second half": lambda real, fake: -log_d(fake - real.mean()),
        "a pair for the mean": lambda real, fake: -2 * log_d(fake - real),
        "mean of its own kind": lambda real, fake: (
            -log_d(fake - fake.mean()) - log_d(real.mean() - real)
        ),
    },
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


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_slip_would_be_seen(name, player):
    for slip in SLIPS[name, player].values():
        assert_slip_is_seen(value_of(name, player), slip(REAL, FAKE))


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
    for slip in (
        -np.log(real) - np.log(1.0 - fake),  # not smoothed
        -0.9 * np.log(real) - np.log(1.0 - fake),  # nothing for the rest of the target
        -0.1 * np.log(real) - 0.9 * np.log(1.0 - real) - np.log(1.0 - fake),  # the wrong way
        expected - 0.1 * np.log(fake) + 0.1 * np.log(1.0 - fake),  # of both kinds
        -0.9 * np.log(real) + 0.1 * np.log(1.0 - real) - np.log(1.0 - fake),  # a sign
    ):
        assert_slip_is_seen(smooth.discriminator(REAL, FAKE), slip)
    best = jax.grad(lambda x: smooth.discriminator(x, 0.0))(jnp.log(9.0))
    np.testing.assert_allclose(best, 0.0, atol=1e-6)
    with pytest.raises(UsageError, match="above 0.5"):
        losses.label_smoothing(0.1)


@pytest.mark.parametrize(("share", "kept"), [(1.0, 5), (0.6, 3), (0.1, 1), (0.0, 1)])
def test_top_k_is_the_mean_loss_of_the_highest_logits(share, kept):
    values, logits = np.float32([[3.0, 1.0, 2.0, 1.5, 5.0], [0.5, -1.0, 2.0, 0.0, 3.0]])
    order = np.argsort(logits)
    value, gradient = jax.jit(jax.value_and_grad(losses.top_k))(values, logits, share)
    np.testing.assert_allclose(value, values[order[-kept:]].mean(), rtol=1e-6)
    if kept < len(values):
        assert_slip_is_seen(value, values[order[:kept]].mean())  # the lowest logits
        assert_slip_is_seen(value, np.sort(values)[:kept].mean())  # the lowest losses
        assert_slip_is_seen(value, values[order[-kept:]].sum() / 5)
    assert np.sum(gradient > 0) == kept
    np.testing.assert_allclose(np.sum(gradient), 1.0, rtol=1e-6)


def test_top_k_keeps_as_many_where_logits_are_equal():
    found = losses.top_k(jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.zeros(4), 0.5)
    np.testing.assert_allclose(found, 1.5, rtol=1e-6)
