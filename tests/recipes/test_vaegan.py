"""VAE-GAN's three losses by hand, and which network each phase moves."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.layers.verdict import Featured
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.vaegan import vaegan_recipe
from gan_jax.state import init
from gan_jax.step import make_step
from gan_jax.variational import reparametrised_sample
from tests.recipes.test_vae import LATENT, SIZE, Decoder, Encoder, pixels

VALUES = {"beta": 2.0, "similarity_weight": 0.5, "ema_decay": 0.9}


class Judge(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        features = jnp.tanh(nn.Dense(5)(images.reshape(len(images), -1)))
        return Featured(nn.Dense(1)(features)[:, 0], features)


def recipe(**values):
    return vaegan_recipe(
        encoder=Encoder(),
        decoder=Decoder(),
        discriminator=Judge(),
        latent_size=LATENT,
        loss=losses.non_saturating,
        values=VALUES | values,
        schedules={},
    )


@pytest.fixture(scope="module")
def started():
    made = recipe()
    spec = {"image": jax.ShapeDtypeStruct((SIZE, 2, 2, 1), jnp.uint8)}
    optimizers = {name: optax.sgd(0.01) for name in made.networks}
    state = init(made, optimizers, jax.random.key(0), spec)
    variables = {name: {"params": net.params} for name, net in state.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0))
    return made, optimizers, state, nets, {"image": to_float(jnp.asarray(pixels()[0]))}


def softplus(x):
    return np.logaddexp(0, np.asarray(x))


def test_losses_by_hand(started):
    made, _, _, nets, batch = started
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}
    call = {name: nets.fixed(name) for name in made.networks}
    posterior, key = call["encoder"](batch["image"]), jax.random.key(7)
    z_key, prior_key = jax.random.split(key)
    real = call["discriminator"](batch["image"])

    def judged(z):
        return call["discriminator"](call["decoder"](z).mean)

    again = judged(reparametrised_sample(posterior.mean, posterior.log_variance, z_key))
    made_up = judged(jax.random.normal(prior_key, (SIZE, LATENT)))
    of_discriminator, of_encoder, of_decoder = (phase.loss for phase in made.phases)

    found = of_discriminator(nets, (), batch, key, values)[0]
    fake = 0.5 * (softplus(again.logits) + softplus(made_up.logits))
    np.testing.assert_allclose(found, np.mean(softplus(-real.logits) + fake), rtol=1e-5)

    def difference(a, b):
        return 0.5 * np.sum((np.asarray(a.features) - np.asarray(b.features)) ** 2, axis=1)

    found = of_decoder(nets, (), batch, key, values)[0]
    adversarial = 0.5 * (softplus(-again.logits) + softplus(-made_up.logits))
    expected = np.mean(0.5 * difference(real, again) + adversarial)
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    found, aux = of_encoder(nets, (), batch, key, values)
    whole = judged(reparametrised_sample(posterior.mean, posterior.log_variance, key))
    mean, log_variance = np.asarray(posterior.mean), np.asarray(posterior.log_variance)
    kl = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1)
    np.testing.assert_allclose(found, np.mean(2.0 * kl + difference(real, whole)), rtol=1e-5)
    np.testing.assert_allclose(aux.metrics["kl"], kl.mean(), rtol=1e-5)


def test_each_phase_trains_its_network(started):
    made, optimizers, state, _, _ = started
    assert [phase.trains for phase in made.phases] == [
        ("discriminator",), ("encoder",), ("decoder",),
    ]  # fmt: skip
    after, metrics = jax.jit(make_step(made, optimizers))(state, {}, {"image": pixels()})
    for name in made.networks:
        before, now = (jax.tree.leaves(s.nets[name].params)[0] for s in (state, after))
        assert not np.array_equal(before, now)
    assert np.isfinite([float(value) for value in metrics.values()]).all()


def test_usage_errors():
    with pytest.raises(UsageError, match="need 'similarity_weight', at least 0"):
        recipe(similarity_weight=-1.0)
