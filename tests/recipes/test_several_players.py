"""Several players: discriminators learn each by itself, generators from the mean of what they say,
and what is logged is a mean. The numbers are those of closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1, r2
from tests.recipes.closed_form import (
    LATENT,
    PAINTED,
    REAL,
    SIZE,
    Cubic,
    Painter,
    measured,
    painted,
)

PAINTERS, CRITICS = (0.9, -0.7), (0.5, 2.0, -1.5)
VALUES = {"ema_decay": 0.9, "r1_weight": 3.0, "r2_weight": 0.2, "square_weight": 0.4}
FAKE = painted(*PAINTERS)
EVERY = 3


def softplus(x):
    return np.log1p(np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "non_saturating": (
        lambda real, fake: softplus(-real) + softplus(fake),
        lambda real, fake: softplus(-fake),
    ),
    "relativistic_pairing": (
        lambda real, fake: softplus(fake - real),
        lambda real, fake: softplus(real - fake),
    ),
}


def square(every):
    """A generator's regulariser: the mean square of its pictures."""
    return GeneratorRegulariser(
        "square", lambda made, state: (jnp.mean(made.images**2, axis=(1, 2, 3)), state), every
    )


def phase(name, loss="non_saturating", every=1):
    made = noise_recipe(
        generator=[Painter(scale) for scale in PAINTERS],
        discriminator=[Cubic(scale) for scale in CRITICS],
        latent_size=LATENT,
        num_classes=0,
        loss=losses.named(loss),
        values=VALUES,
        schedules={},
        regularisers=(r1(every), r2(every)),
        generator_regularisers=(square(every),),
    )
    return measured(made, name)


def cubes(images):
    """A critic's logits by its scale."""
    return np.sum(images**3, axis=(1, 2, 3)) / 3


def steepness(images):
    """A critic's penalty by the square of its scale: |grad|^2 / 2, averaged."""
    return np.mean(np.sum(images**4, axis=(1, 2, 3))) / 2


SQUARE = np.mean([np.mean((scale * PAINTED[: SIZE // 2]) ** 2) for scale in PAINTERS])


@pytest.mark.parametrize("loss", FORMULAS)
def test_each_discriminators_loss_counts_whole(loss):
    value, _, metrics = phase("discriminator", loss)
    of_discriminator = FORMULAS[loss][0]
    adversarial = [np.mean(of_discriminator(c * cubes(REAL), c * cubes(FAKE))) for c in CRITICS]
    squares = np.square(CRITICS)
    total = sum(adversarial) + np.sum(squares) * (3.0 * steepness(REAL) + 0.2 * steepness(FAKE))
    np.testing.assert_allclose(value, total, rtol=1e-5)
    np.testing.assert_allclose(metrics["adversarial"], np.mean(adversarial), rtol=1e-5)
    for name, images in (("r1", REAL), ("r2", FAKE)):
        expected = np.mean(squares) * steepness(images)
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-5)
    for name, images in (("real_logits", REAL), ("fake_logits", FAKE)):
        expected = np.mean(CRITICS) * np.mean(cubes(images))
        np.testing.assert_allclose(metrics[name], expected, rtol=1e-4)


def test_each_discriminators_gradient_is_its_own():
    _, gradients, _ = phase("discriminator")
    for index, c in enumerate(CRITICS):
        real, fake = cubes(REAL), cubes(FAKE)
        slope = np.mean(sigmoid(c * fake) * fake - sigmoid(-c * real) * real)
        slope += 2 * c * (3.0 * steepness(REAL) + 0.2 * steepness(FAKE))
        np.testing.assert_allclose(gradients[f"discriminator_{index}"]["scale"], slope, rtol=1e-5)


@pytest.mark.parametrize(("name", "images"), [("r1", REAL), ("r2", FAKE)])
def test_a_lazy_penalty_is_every_discriminators_and_as_heavy_as_it_is_rare(name, images):
    value, _, metrics = phase(name, every=EVERY)
    expected = EVERY * VALUES[f"{name}_weight"] * np.sum(np.square(CRITICS)) * steepness(images)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    expected = np.mean(np.square(CRITICS)) * steepness(images)
    np.testing.assert_allclose(metrics[name], expected, rtol=1e-5)


@pytest.mark.parametrize("loss", FORMULAS)
def test_generators_minimise_the_mean_over_discriminators(loss):
    value, _, metrics = phase("generator", loss)
    of_generator = FORMULAS[loss][1]
    adversarial = [np.mean(of_generator(c * cubes(REAL), c * cubes(FAKE))) for c in CRITICS]
    np.testing.assert_allclose(metrics["adversarial"], np.mean(adversarial), rtol=1e-5)
    np.testing.assert_allclose(metrics["square"], SQUARE, rtol=1e-5)
    np.testing.assert_allclose(value, np.mean(adversarial) + 0.4 * SQUARE, rtol=1e-5)


def test_a_lazy_generator_term_is_the_mean_over_generators():
    value, _, metrics = phase("square", every=EVERY)
    np.testing.assert_allclose(metrics["square"], SQUARE, rtol=1e-5)
    np.testing.assert_allclose(value, EVERY * 0.4 * SQUARE, rtol=1e-5)
