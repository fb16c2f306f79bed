"""InfoGAN's losses by hand, its latents' laws, and what each phase moves."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.networks.infogan import Recognised
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.infogan import infogan_recipe, laid_out, uniform
from gan_jax.state import init
from gan_jax.step import make_step

SIZE, LATENT, CATEGORICAL, CONTINUOUS = 5, 2, (3, 2), 2
VALUES = {"categorical_weight": 2.0, "continuous_weight": 0.5, "ema_decay": 0.9}


class Generator(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        return jnp.tanh(nn.Dense(4)(z)).reshape(-1, 2, 2, 1)


class Judge(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        x = images.reshape(len(images), -1)
        return Recognised(
            nn.Dense(1)(x)[:, 0],
            tuple(nn.Dense(choices)(x) for choices in CATEGORICAL),
            nn.Dense(CONTINUOUS)(x),
            nn.Dense(CONTINUOUS)(x),
        )


def recipe(loss=losses.non_saturating, **values):
    return infogan_recipe(
        generator=Generator(),
        discriminator=Judge(),
        latent_size=LATENT,
        categorical=CATEGORICAL,
        continuous=CONTINUOUS,
        loss=loss,
        values=VALUES | values,
        schedules={},
    )


def pixels():
    return np.random.default_rng(0).integers(0, 256, (SIZE, 2, 2, 1)).astype(np.uint8)


def by_hand(nets, drawn, images):
    """Adversarial logits and the weighted bound `[B]`."""
    of_fake = nets("discriminator", images)[0]
    bound = 0.0
    for index, logits in enumerate(of_fake.categorical):
        log = jax.nn.log_softmax(logits)
        bound -= 2.0 * np.take_along_axis(np.asarray(log), drawn["categorical"][:, index, None], 1)
    bound = bound[:, 0]
    codes = 2 * stats.norm.cdf(drawn["continuous"]) - 1
    scale = np.exp(0.5 * of_fake.log_variance)
    return of_fake.logits, bound - 0.5 * stats.norm.logpdf(codes, of_fake.mean, scale).sum(1)


def test_losses_by_hand():
    made = recipe()
    spec = {"image": jax.ShapeDtypeStruct((SIZE, 2, 2, 1), jnp.uint8)}
    optimizers = {name: optax.sgd(0.1) for name in made.networks}
    state = init(made, optimizers, jax.random.key(0), spec)
    nets = Nets(made.networks, {n: {"params": s.params} for n, s in state.nets.items()},
                jax.random.key(0))  # fmt: skip
    batch, key = {"image": to_float(jnp.asarray(pixels()))}, jax.random.key(7)
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}
    assert made.latents
    drawn = jax.tree.map(np.asarray, made.latents(key, batch))
    fake = nets("generator", laid_out(drawn, CATEGORICAL))[0]
    fake_logits, bound = by_hand(nets, drawn, fake)
    real_logits = nets("discriminator", batch["image"])[0].logits

    found, aux = made.phases[0].loss(nets, (), batch, key, values)
    adversarial = np.logaddexp(0, -real_logits) + np.logaddexp(0, fake_logits)
    np.testing.assert_allclose(found, np.mean(adversarial + bound), rtol=1e-5)
    found, aux = made.phases[1].loss(nets, (), batch, key, values)
    np.testing.assert_allclose(found, np.mean(np.logaddexp(0, -fake_logits) + bound), rtol=1e-5)
    assert set(aux.metrics) == {"categorical", "continuous", "adversarial"}

    step = make_step(made, optimizers)
    after, _ = jax.jit(step)(state, {}, {"image": pixels()[None]})
    for name in made.networks:
        assert not np.array_equal(
            *(jax.tree.leaves(s.nets[name].params)[0] for s in (state, after))
        )


def test_codes_are_uniform_and_a_picture_is_laid_out_of_them():
    made = recipe()
    assert made.latents
    drawn = made.latents(jax.random.key(0), {"image": jnp.zeros((4000, 1))})
    for index, choices in enumerate(CATEGORICAL):
        counts = np.bincount(np.asarray(drawn["categorical"][:, index]), minlength=choices)
        assert stats.chisquare(counts).pvalue > 1e-3
    codes = np.asarray(uniform(drawn["continuous"])).ravel()
    assert stats.kstest(codes, "uniform", args=(-1, 2)).pvalue > 1e-3
    one = jax.tree.map(lambda leaf: leaf[:1], drawn)
    row = np.asarray(laid_out(one, CATEGORICAL))[0]
    assert row.shape == (LATENT + sum(CATEGORICAL) + CONTINUOUS,)
    first, second = np.asarray(one["categorical"])[0]
    np.testing.assert_array_equal(row[LATENT : LATENT + 3], np.eye(3)[first])
    np.testing.assert_array_equal(row[LATENT + 3 : LATENT + 5], np.eye(2)[second])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: recipe(losses.relativistic_pairing), "no relativistic loss"),
        (lambda: recipe(categorical_weight=-1.0), "values need 'categorical_weight', at least 0"),
    ],
)
def test_usage_errors(action, message):
    with pytest.raises(UsageError, match=message):
        action()
