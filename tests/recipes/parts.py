"""Tiny noise recipes: dense players, every regulariser of a discriminator, rounds by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import losses
from gan_jax.layers.verdict import Verdict
from gan_jax.networks.mlp import MLPGenerator
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import (
    balanced_consistency,
    consistency,
    dragan,
    gradient_penalty,
    latent_consistency,
    le_cam,
    orthogonality,
    r1,
    r2,
    zero_centred,
)
from gan_jax.state import init
from gan_jax.step import make_step

COMPILES_QUICKLY = {"xla_cpu_use_fusion_emitters": False}
"""Options of `jax.jit`: in half the time, programs that round in another way."""
SIZE, LATENT, CLASSES = 8, 5, 3
SHAPE = (4, 4, 1)


def flip(images, key):
    return images[:, :, ::-1]


REGULARISERS = {
    "none": lambda every: (),
    "r1": lambda every: (r1(every),),
    "r2": lambda every: (r2(every),),
    "gradient_penalty": lambda every: (gradient_penalty(every),),
    "dragan": lambda every: (dragan(every),),
    "zero_centred": lambda every: (zero_centred(every),),
    "consistency": lambda every: (consistency(flip, every),),
    "balanced_consistency": lambda every: (balanced_consistency(flip, every),),
    "latent_consistency": lambda every: (latent_consistency(0.07, every),),
    "le_cam": lambda every: (le_cam(0.99, every),),
    "orthogonality": lambda every: (orthogonality(every),),
}
WEIGHTS = {f"{name}_weight": 0.5 for name in REGULARISERS} | {
    "path_length_weight": 2.0,
    "latent_sensitivity_weight": 0.5,
    "generator_orthogonality_weight": 1e-4,
    "classification_weight": 0.5,
    "ema_decay": 0.9,
    "top_k": 0.5,
    "augment_p": 0.3,
}


class Critic(nn.Module):
    """A dense discriminator with every output, and a statistic that counts its train calls."""

    classes: int = CLASSES
    heads: bool = True

    @nn.compact
    def __call__(self, images, label, *, train):
        calls = self.variable("counts", "calls", lambda: jnp.zeros(()))
        if train and not self.is_initializing():
            calls.value += 1
        x = nn.tanh(nn.Dense(6)(images.reshape(len(images), -1)))
        logits = nn.Dense(1)(x)[:, 0]
        if not self.heads:
            return logits

        def unit(x):
            return x / jnp.linalg.norm(x, axis=1, keepdims=True)

        proxies = unit(self.param("proxies", nn.initializers.normal(), (self.classes, 4)))
        return Verdict(logits, nn.Dense(self.classes)(x), unit(nn.Dense(4)(x)), proxies)


class CountingGenerator(nn.Module):
    """Dense, with a statistic that counts its train calls."""

    @nn.compact
    def __call__(self, z, label, *, train):
        calls = self.variable("counts", "calls", lambda: jnp.zeros(()))
        if train and not self.is_initializing():
            calls.value += 1
        return jnp.tanh(nn.Dense(16)(z)).reshape(-1, *SHAPE)


class StyledGenerator(nn.Module):
    """Two layers of styles, an average of w, and both methods that `Styled` calls."""

    def setup(self):
        self.mapping = nn.Dense(3)
        self.layers = [nn.Dense(16), nn.Dense(16)]
        self.average = self.variable("w_avg", "w", lambda: jnp.zeros(3))

    def map(self, z, label=None, *, train, truncation=1.0):
        w = self.mapping(z)
        if train and not self.is_initializing():
            self.average.value = 0.9 * self.average.value + 0.1 * jnp.mean(w, axis=0)
        w = self.average.value + truncation * (w - self.average.value)
        return jnp.broadcast_to(w[:, None], (len(w), 2, 3))

    def synthesise(self, ws, *, train, noise="random"):
        x = sum(layer(nn.tanh(ws[:, index])) for index, layer in enumerate(self.layers))
        return jnp.tanh(x).reshape(-1, *SHAPE)

    def __call__(self, z, label=None, *, train, truncation=1.0, noise="random"):
        ws = self.map(z, label, train=train, truncation=truncation)
        return self.synthesise(ws, train=train, noise=noise)


def key(seed):
    """Of a kind whose programs compile quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def recipe(**parts):
    return noise_recipe(
        **{
            "generator": MLPGenerator(SHAPE, hidden=(6,)),
            "discriminator": Critic(heads=False),
            "latent_size": LATENT,
            "num_classes": 0,
            "loss": losses.non_saturating,
            "values": WEIGHTS,
            "schedules": {},
        }
        | parts
    )


def batches(turns=1, classes=0):
    random = np.random.default_rng(0)
    made = {"image": random.integers(0, 256, (turns, SIZE, *SHAPE), dtype=np.uint8)}
    if classes:
        made["label"] = random.integers(0, classes, (turns, SIZE), dtype=np.int32)
    return made


def start(made, optimizers, classes=0):
    spec = {
        name: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
        for name, leaf in batches(classes=classes).items()
    }
    return jax.jit(lambda: init(made, optimizers, key(0), spec))()


def train(made, optimizers, state, rounds, turns=1, classes=0, options=None):
    """The state after so many rounds, none of them skipped, and each round's metrics.

    `options` are the compiler's.
    """
    step = jax.jit(make_step(made, optimizers), compiler_options=options)
    rows = []
    for _ in range(rounds):
        state, metrics = step(state, {}, batches(turns, classes))
        rows.append({name: float(value) for name, value in metrics.items()})
    assert int(state.skipped) == 0
    return state, rows


def run(made, rounds, turns=1, classes=0, optimizer=optax.sgd):
    """The state before and after so many rounds, and their metrics."""
    optimizers = {name: optimizer(0.05) for name in made.networks}
    before = start(made, optimizers, classes)
    return before, *train(made, optimizers, before, rounds, turns, classes)


def changed(before, after):
    same = jax.tree.map(lambda a, b: bool(jnp.all(a == b)), before, after)
    return not all(jax.tree.leaves(same))
