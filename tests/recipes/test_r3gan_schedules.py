"""R3GAN's burn-in as the experiments have it: what a round's players are given, from the first to
long after the last picture of it.

The figures are those of the release: brownvc/R3GAN, train.py, presets CIFAR10 and FFHQ-256, each
followed by half a cosine over 20 million pictures (training/training_loop.py).
"""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from gan_jax.experiment import load_experiment
from gan_jax.recipe import Aux, Phase
from gan_jax.state import init, injected
from gan_jax.step import make_step
from tests.conftest import EXPERIMENTS

BURN_IN = 20_000_000
PUBLISHED = {
    "cifar10_r3gan": {
        "learning_rate": (2e-4, 5e-5),
        "b2": (0.9, 0.99),
        "gamma": (0.05, 0.005),
        "ema_half_life": (0, 5_000_000),
        "augment_p": (0, 0.55),
    },
    "ffhq256_r3gan": {
        "learning_rate": (2e-4, 5e-5),
        "b2": (0.9, 0.99),
        "gamma": (150, 15),
        "ema_half_life": (0, 500_000),
        "augment_p": (0, 0.3),
    },
}
PLAYERS = ("generator", "discriminator")


class Weight(nn.Module):
    """Stands in for a network: one weight of 1."""

    @nn.compact
    def __call__(self, *, train):
        return self.param("weight", nn.initializers.ones, ())


def push(nets, extra, batch, key, values):
    """Both weights down."""
    generator, discriminator = (nets.fixed(player)() for player in PLAYERS)
    return generator + discriminator, Aux(nets, extra, {})


def with_weights(recipe):
    """The recipe's values and schedules, with players that train at once."""
    return dataclasses.replace(
        recipe,
        networks={player: Weight() for player in PLAYERS},
        phases=(Phase(name="push", trains=PLAYERS, loss=push),),
        inputs=lambda batch: {player: () for player in PLAYERS},
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_the_published_ones(name):
    config = load_experiment(f"{EXPERIMENTS}/{name}.py").config
    assert config.burn_in == BURN_IN
    for setting, (first, last) in PUBLISHED[name].items():
        assert (config[setting].first, config[setting].last) == (first, last), setting


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_round_is_given_half_a_cosine(name):
    """A quarter of the way too, where a straight line is elsewhere; the optimizers and the average
    take what the log says."""
    experiment = load_experiment(f"{EXPERIMENTS}/{name}.py")
    recipe, optimizers = with_weights(experiment.recipe()), experiment.optimizers()
    batch_size = experiment.config.batch_size
    spec = {"label": jax.ShapeDtypeStruct((batch_size,), jnp.int32)}
    start = init(recipe, optimizers, jax.random.key(0), spec)
    step = jax.jit(make_step(recipe, optimizers))
    batches = {"label": jnp.zeros((recipe.batches_per_round, batch_size), jnp.int32)}
    for share in (0.0, 0.25, 0.5, 0.75, 1.0, 2.0):  # at 2 a cosine is back
        index = math.ceil(share * BURN_IN / batch_size)
        done = min(index * batch_size / BURN_IN, 1.0)
        at = {
            setting: last + (first - last) * (1 + math.cos(math.pi * done)) / 2
            for setting, (first, last) in PUBLISHED[name].items()
        }
        decay = 0.5 ** (batch_size / at["ema_half_life"]) if index else 0.0
        expected = {
            "r1_weight": at["gamma"],
            "r2_weight": at["gamma"],
            "augment_p": at["augment_p"],
            "ema_decay": decay,
        }
        for player in PLAYERS:
            expected |= {f"{player}.{each}": at[each] for each in ("learning_rate", "b2")}
        state, metrics = step(start.replace(step=jnp.int32(index)), {}, batches)
        found = {each.removeprefix("value/"): float(value) for each, value in metrics.items()
                 if each.startswith("value/")}  # fmt: skip
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert found["ema_decay"] == pytest.approx(decay, rel=2e-7)
        for player in PLAYERS:
            given = injected(state.nets[player].opt)
            for each in ("learning_rate", "b2"):
                assert float(given[each]) == pytest.approx(at[each], rel=1e-5)
        net = state.nets["generator"]
        moved = decay + (1 - decay) * float(net.params["weight"])
        assert float(net.ema["weight"]) == pytest.approx(moved, rel=2e-7)
