"""Paired translation: both losses by hand, and what each phase moves."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.errors import UsageError
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Nets
from gan_jax.recipes.paired import paired_recipe
from gan_jax.state import init
from gan_jax.step import make_step

SIZE = 4
VALUES = {"l1_weight": 10.0, "ema_decay": 0.5}


class Generator(nn.Module):
    @nn.compact
    def __call__(self, seen, *, train):
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.9)
        return jnp.tanh(nn.Dense(3)(norm(seen)))


class Judge(nn.Module):
    @nn.compact
    def __call__(self, images, seen, *, train):
        x = jnp.concatenate([seen, images], axis=-1)
        return nn.Dense(1)(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))[..., 0]


def recipe(loss=losses.non_saturating, values=VALUES, asked=None):
    return paired_recipe(
        generator=Generator(),
        discriminator=Judge(),
        condition=lambda batch: 2.0 * batch["source"],
        given=("source",),
        loss=loss,
        values=values,
        schedules={},
        frozen={},
        asked=asked,
    )


def batch():
    random = np.random.default_rng(0)
    return {
        "image": random.integers(0, 256, (SIZE, 2, 2, 3)).astype(np.uint8),
        "source": random.normal(size=(SIZE, 2, 2, 1)).astype(np.float32),
    }


def start(made):
    spec = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in batch().items()}
    optimizers = {name: optax.sgd(0.1) for name in made.networks}
    return init(made, optimizers, jax.random.key(0), spec), make_step(made, optimizers)


@pytest.mark.parametrize("loss", [losses.non_saturating, losses.relativistic_pairing])
def test_losses_by_hand(loss):
    made = recipe(loss)
    state, _ = start(made)
    variables = {name: {"params": net.params, **net.stats} for name, net in state.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0))
    given = {"image": to_float(jnp.asarray(batch()["image"])), "source": batch()["source"]}
    values = {name: jnp.asarray(value) for name, value in VALUES.items()}

    seen = 2.0 * given["source"]
    fake = nets("generator", seen)[0]
    real_logits = nets("discriminator", given["image"], seen)[0]
    # The statistics have moved, which in train mode changes no output.
    fake_logits = nets("discriminator", fake, seen)[0]

    found, aux = made.phases[0].loss(nets, (), given, jax.random.key(1), values)
    expected = 0.5 * np.mean(loss.discriminator(real_logits, fake_logits))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert aux.nets.variables["generator"] is variables["generator"]

    found, aux = made.phases[1].loss(nets, (), given, jax.random.key(1), values)
    l1 = np.mean(np.abs(np.asarray(fake) - np.asarray(given["image"])))
    expected = np.mean(loss.generator(real_logits, fake_logits)) + 10.0 * l1
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(aux.metrics["l1"], l1, rtol=1e-5)
    assert aux.nets.variables["discriminator"] is variables["discriminator"]
    assert aux.nets.variables["generator"] is not variables["generator"]


def test_a_round_moves_both_and_draws_of_the_condition():
    made = recipe()
    state, step = start(made)
    after, metrics = jax.jit(step)(state, {}, jax.tree.map(lambda leaf: leaf[None], batch()))
    assert np.isfinite(metrics["generator/l1"])
    for name in made.networks:
        before, now = (jax.tree.leaves(s.nets[name].params) for s in (state, after))
        assert not np.array_equal(before[0], now[0])
    assert made.generate and made.latents and made.given == ("source",)
    nets = Nets(made.networks, {n: {"params": s.params, **s.stats} for n, s in after.nets.items()},
                jax.random.key(0), train=False)  # fmt: skip
    given = {"source": batch()["source"]}  # no picture is needed
    z = made.latents(jax.random.key(0), given)
    assert z.shape == (SIZE, 0)
    pictures = made.generate(nets, z, given, jnp.ones(()))
    np.testing.assert_array_equal(pictures, nets("generator", 2.0 * given["source"])[0])


def test_pictures_of_a_users():
    """What is asked of them is the recipe's to say; without that it translates none."""
    assert recipe().translation is None
    made = recipe(asked=lambda nets, batch: 3.0 * batch["image"][..., :1])
    state, _ = start(made)
    variables = {name: {"params": s.params, **s.stats} for name, s in state.nets.items()}
    nets = Nets(made.networks, variables, jax.random.key(0), train=False)
    given = {"image": to_float(jnp.asarray(batch()["image"]))}
    assert made.translation is not None
    drawn = nets("generator", 3.0 * given["image"][..., :1])[0]
    np.testing.assert_array_equal(made.translation.run(nets, given), drawn)


@pytest.mark.parametrize("values", [{"ema_decay": 0.0}, {"l1_weight": -1.0, "ema_decay": 0.0}])
def test_missing_and_negative_weights(values):
    with pytest.raises(UsageError, match="values need 'l1_weight', at least 0"):
        recipe(values=values)
