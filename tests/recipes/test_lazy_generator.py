"""A generator's regularisers every k rounds: over k rounds they push as much as every round's."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import (
    generator_orthogonality,
    latent_sensitivity,
    path_length,
)
from gan_jax.recipes.noise import noise_recipe
from gan_jax.state import init
from gan_jax.step import make_step

BATCH, LATENT, SHAPE = 4, 3, (2, 2, 1)
EVERY = 3


class Generator(nn.Module):
    """Dense, with the two methods that `Styled` calls."""

    def setup(self):
        self.mapping, self.synthesis = nn.Dense(3), nn.Dense(4)

    def map(self, z, label, *, train):
        w = nn.tanh(self.mapping(z))
        return jnp.stack([w, 2 * w], axis=1)

    def synthesise(self, ws, *, train, noise="random"):
        return jnp.tanh(self.synthesis(jnp.sum(jnp.sin(ws), axis=1))).reshape(-1, *SHAPE)

    def __call__(self, z, label, *, train):
        return self.synthesise(self.map(z, label, train=train), train=train)


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, images, label, *, train):
        return nn.Dense(1)(images.reshape(len(images), -1))[:, 0]


def gather():
    """An optimizer that adds gradients up, and leaves the weights as they are."""
    return optax.GradientTransformation(
        init=lambda params: jax.tree.map(jnp.zeros_like, params),
        update=lambda grads, total, params: (
            jax.tree.map(jnp.zeros_like, grads),
            jax.tree.map(jnp.add, total, grads),
        ),
    )


def key(seed):
    """Of a kind whose programs compile quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def with_one_draw(term):
    """The term at the same latents, noise and moving average whenever it is measured: each phase
    draws from a key of its own."""

    def measure(made, state):
        z = jnp.sin(jnp.arange(BATCH * LATENT, dtype=jnp.float32)).reshape(BATCH, LATENT)
        fixed = made._replace(latents=z, images=made.generator(z), key=key(0))
        start = term.start if term.start == () else 0.3
        return term.measure(fixed, start)[0], state

    return dataclasses.replace(term, measure=measure)


TERMS = {
    "path_length": lambda every: path_length(every),
    "latent_sensitivity": lambda every: latent_sensitivity(0.5, every),
    "generator_orthogonality": lambda every: generator_orthogonality(every),
}
WEIGHT = 0.5


@functools.cache
def gathered(name, every):
    """The generator's gradients of `EVERY` rounds and the term's name in each round's metrics."""
    terms = () if name is None else (with_one_draw(TERMS[name](every)),)
    made = noise_recipe(
        generator=Generator(),
        discriminator=Discriminator(),
        latent_size=LATENT,
        num_classes=0,
        loss=losses.non_saturating,
        values={"ema_decay": 0.9, **{f"{term}_weight": WEIGHT for term in TERMS}},
        schedules={},
        generator_regularisers=terms,
        drawing=Styled(mixing=0),
    )
    made = dataclasses.replace(made, phases=made.phases[1:])  # the generator's
    optimizers = {network: gather() for network in made.networks}
    spec = {"image": jax.ShapeDtypeStruct((BATCH, *SHAPE), jnp.uint8)}
    state = jax.jit(lambda: init(made, optimizers, key(1), spec))()
    weights = state.nets["generator"].params
    step, batch = jax.jit(make_step(made, optimizers)), np.zeros((1, BATCH, *SHAPE), np.uint8)
    measured = []
    for _ in range(EVERY):
        state, metrics = step(state, {}, {"image": batch})
        measured += [float(metrics[each]) for each in metrics if each.endswith(f"/{name}")]
    jax.tree.map(np.testing.assert_array_equal, weights, state.nets["generator"].params)
    assert int(state.skipped) == 0
    return state.nets["generator"].opt, measured


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_lazy_gradients_add_up_to_the_eager_ones(name):
    plain, _ = gathered(None, 1)
    eager, each_round = gathered(name, 1)
    lazy, once = gathered(name, EVERY)
    assert np.all(np.abs(each_round) > 1e-4)
    np.testing.assert_allclose(once, [each_round[0], 0, 0], rtol=1e-5)

    def norm(tree):
        return np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(tree)))

    pushed = jax.tree.map(jnp.subtract, lazy, plain)
    apart = jax.tree.map(jnp.subtract, lazy, eager)
    assert norm(apart) < 1e-5 * norm(eager) < norm(pushed)
