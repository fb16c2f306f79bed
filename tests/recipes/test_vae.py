"""The VAE's recipe against its bound by hand, and its weights where the posterior is exact."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from gan_jax.errors import UsageError
from gan_jax.networks.vae import Decoded, Posterior
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.vae import LIKELIHOODS, likelihood_named, log_weight, vae_recipe
from gan_jax.state import init
from gan_jax.step import make_step

SIZE, LATENT, RATE = 6, 3, 0.01
VALUES = {"beta": 2.0, "free_bits": 0.05, "ema_decay": 0.5}


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        x = images.reshape(len(images), -1)
        return Posterior(nn.Dense(LATENT, name="mean")(x), nn.Dense(LATENT, name="log_variance")(x))


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        scale = self.param("log_scale", nn.initializers.constant(-0.5), ())
        return Decoded(nn.Dense(4)(z).reshape(-1, 2, 2, 1), scale)


def recipe(likelihood="laplace", **values):
    return vae_recipe(
        encoder=Encoder(),
        decoder=Decoder(),
        latent_size=LATENT,
        likelihood=likelihood_named(likelihood),
        values=VALUES | values,
        schedules={},
    )


def start(made):
    spec = {"image": jax.ShapeDtypeStruct((SIZE, 2, 2, 1), jnp.uint8)}
    optimizers = {name: optax.sgd(RATE) for name in ("encoder", "decoder")}
    state = init(made, optimizers, jax.random.key(0), spec)
    return state, make_step(made, optimizers)


def pixels():
    return np.random.default_rng(0).integers(0, 256, (1, SIZE, 2, 2, 1), np.uint8)


LOG = {
    "gaussian": lambda x, m, s: stats.norm.logpdf(x, m, np.exp(s)),
    "laplace": lambda x, m, s: stats.laplace.logpdf(x, m, np.exp(s)),
}


@pytest.mark.parametrize("name", LOG)
def test_a_round_is_a_gradient_step_of_the_bound(name):
    made = recipe(name)
    state, step = start(made)
    after, metrics = jax.jit(step)(state, {}, {"image": pixels()})
    # The phase's key as the step makes it, so that z is the same draw.
    seen = {}

    def loss_with(params, key):
        variables = {name: {"params": params[name]} for name in params}
        nets = Nets(made.networks, variables, jax.random.key(0))
        values = {k: jnp.asarray(v) for k, v in VALUES.items()}
        batch = {"image": to_float(jnp.asarray(pixels()[0]))}
        value, aux = made.phases[0].loss(nets, (), batch, key, values)
        seen.update(aux.metrics)
        return value

    params = {name: state.nets[name].params for name in ("encoder", "decoder")}
    key = jax.random.key(5)
    value = loss_with(params, key)
    x = np.asarray(to_float(jnp.asarray(pixels()[0]))).reshape(SIZE, -1)
    dense = {k: jax.tree.map(np.asarray, v) for k, v in params.items()}

    def linear(layer, inputs):
        return inputs @ layer["kernel"] + layer["bias"]

    mean, logvar = (linear(dense["encoder"][k], x) for k in ("mean", "log_variance"))
    z = mean + np.exp(0.5 * logvar) * np.asarray(jax.random.normal(key, mean.shape))
    fit = LOG[name](x, linear(dense["decoder"]["Dense_0"], z), -0.5).sum(1)
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar)
    expected = -fit.mean() + 2.0 * np.maximum(kl.mean(0), 0.05).sum()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(seen["elbo"], fit.mean() - kl.sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(seen["kl"], kl.sum(1).mean(), rtol=1e-5)
    assert set(metrics) > {f"bound/{key}" for key in (*seen, "loss")}
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), after.nets["encoder"].params,
                         state.nets["encoder"].params)  # fmt: skip
    assert all(jax.tree.leaves(moved))
    halfway = jax.tree.map(
        lambda ema, a, b: np.testing.assert_allclose(ema, (a + b) / 2, rtol=1e-5, atol=1e-6),
        after.nets["decoder"].ema, after.nets["decoder"].params, state.nets["decoder"].params,
    )  # fmt: skip
    assert halfway is not None


def test_pictures_reconstructions_and_samples():
    made = recipe("logistic")
    state, _ = start(made)
    variables = {name: {"params": net.params} for name, net in state.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0), train=False)
    batch = {"image": to_float(jnp.asarray(pixels()[0]))}
    assert made.encode and made.generate and made.latents
    z = made.encode(nets, batch)
    np.testing.assert_array_equal(z, nets("encoder", batch["image"])[0].mean)
    assert made.latents(jax.random.key(1), batch).shape == (SIZE, LATENT)
    pictures = made.generate(nets, 1e3 * z, batch, jnp.asarray(0.5))
    mean = nets("decoder", 500.0 * z)[0].mean
    np.testing.assert_array_equal(pictures, jnp.clip(mean, -1, 1))
    assert jnp.abs(mean).max() > 1
    assert made.translation and not made.translation.conditions
    again = made.generate(nets, z, batch, jnp.ones(()))
    np.testing.assert_array_equal(made.translation.run(nets, batch), again)


class ExactEncoder(nn.Module):
    """The posterior of x = z + N(0, 0.25), z ~ N(0, 1)."""

    @nn.compact
    def __call__(self, images, *, train):
        x = images.reshape(len(images), -1)
        return Posterior(x / 1.25, jnp.full_like(x, np.log(0.2)))


class ExactDecoder(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        return Decoded(z.reshape(-1, 2, 2, 1), jnp.asarray(np.log(0.5)))


def test_every_weight_is_the_likelihood_where_the_posterior_is_exact():
    nets = Nets({"encoder": ExactEncoder(), "decoder": ExactDecoder()},
                {"encoder": {}, "decoder": {}}, jax.random.key(0))  # fmt: skip
    x = np.random.default_rng(1).normal(size=(SIZE, 2, 2, 1)).astype(np.float32)
    expected = stats.norm.logpdf(x, 0, np.sqrt(1.25)).sum((1, 2, 3))
    for seed in range(3):
        found = log_weight(LIKELIHOODS["gaussian"])(nets, {"image": x}, jax.random.key(seed))
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: recipe("poisson"), "no likelihood 'poisson'; there are gaussian, laplace"),
        (lambda: recipe(beta=-1.0), "values need 'beta', at least 0"),
        (
            lambda: vae_recipe(
                encoder=Encoder(), decoder=Decoder(), latent_size=2, schedules={},
                likelihood=LIKELIHOODS["laplace"], values={"beta": 1.0},
            ),
            "values need 'free_bits'",
        ),
    ],
)  # fmt: skip
def test_usage_errors(action, message):
    with pytest.raises(UsageError, match=message):
        action()
