"""gan_jax's side of a work: its own networks and recipe, in rounds as `gan-jax train` runs them."""

from __future__ import annotations

import time
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.hardware import hardware
from benchmarks.peers.work import Adam, Work
from gan_jax import losses
from gan_jax.networks.biggan import BigGANDiscriminator, BigGANGenerator
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from gan_jax.networks.sngan import SNGANDiscriminator, SNGANGenerator
from gan_jax.networks.stylegan2.configurations import CIFAR
from gan_jax.program import use_compilation_cache
from gan_jax.recipe import Recipe
from gan_jax.recipes.drawing import Direct, Drawing, Styled
from gan_jax.recipes.generator_regularisers import GeneratorRegulariser, path_length
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import Regulariser, r1, r2
from gan_jax.state import init
from gan_jax.step import make_phase, make_rounds, make_step


def networks(work: Work) -> tuple[nn.Module, nn.Module]:
    """The project's generator and discriminator."""
    size, channels, width, classes = work.size, work.channels, work.width, work.classes
    dtype = jnp.bfloat16 if work.precision == "bfloat16" else None
    match work.family:
        case "dense":
            return (
                MLPGenerator(
                    (size, size, channels), work.generator_hidden, num_classes=classes, dtype=dtype
                ),
                MLPDiscriminator(
                    work.discriminator_hidden,
                    num_classes=classes,
                    dropout=work.dropout,
                    dtype=dtype,
                ),
            )
        case "dcgan":
            return (
                DCGANGenerator(size, channels, width, classes, dtype=dtype),
                DCGANDiscriminator(size, width, classes, dtype=dtype),
            )
        case "sngan":
            return (
                SNGANGenerator(size, channels, width, classes, dtype=dtype),
                SNGANDiscriminator(size, width, classes, dtype=dtype),
            )
        case "biggan":
            return (
                BigGANGenerator(size, channels, width, classes, dtype=dtype),
                BigGANDiscriminator(size, width, classes, dtype=dtype),
            )
        case "stylegan2":
            published = CIFAR._replace(
                channel_base=width,
                mapping_layers=work.mapping_layers,
                group_size=work.group_size,
                architecture=work.architecture,
            )
            generator = published.generator(size, channels, classes, dtype=dtype)
            return (
                generator.clone(w_features=work.w_features),
                published.discriminator(size, classes, dtype=dtype),
            )
        case "r3gan":
            return (
                R3GANGenerator(size, channels, work.widths, classes, dtype=dtype),
                R3GANDiscriminator(size, work.widths, classes, dtype=dtype),
            )


def recipe_of(
    work: Work,
    drawing: Drawing | None = None,
    path_lengths: GeneratorRegulariser | None = None,
) -> Recipe:
    """The recipe; `drawing` and `path_lengths` take the place of the work's own."""
    generator, discriminator = networks(work)
    if drawing is None:
        drawing = Styled(mixing=work.style_mixing) if work.family == "stylegan2" else Direct()
    weights = {
        "r1_weight": work.r1_weight,
        "r2_weight": work.r2_weight,
        "path_length_weight": work.path_length_weight,
    }
    generator_terms: tuple[GeneratorRegulariser, ...] = ()
    if work.path_length_weight:
        generator_terms = (path_lengths or path_length(every=work.path_length_every),)
    return noise_recipe(
        generator=generator,
        discriminator=discriminator,
        latent_size=work.latent_size,
        num_classes=work.classes,
        loss=losses.named(work.loss),
        values={"ema_decay": work.ema_decay} | {k: v for k, v in weights.items() if v},
        schedules={},
        regularisers=_discriminator_terms(work),
        generator_regularisers=generator_terms,
        drawing=drawing,
        discriminator_turns=work.turns,
        joint=work.joint,
    )


def _discriminator_terms(work: Work) -> tuple[Regulariser, ...]:
    terms = [r1(every=work.r1_every)] if work.r1_weight else []
    return (*terms, r2()) if work.r2_weight else tuple(terms)


def optimizers_of(work: Work) -> dict[str, optax.GradientTransformation]:
    def adam(constants: Adam) -> optax.GradientTransformation:
        rate, b1, b2, epsilon = constants
        return optax.inject_hyperparams(optax.adam)(rate, b1=b1, b2=b2, eps=epsilon)

    return {
        "generator": adam(work.generator_adam),
        "discriminator": adam(work.discriminator_adam),
    }


def batch_spec(work: Work) -> dict[str, jax.ShapeDtypeStruct]:
    """One real batch, as the pipeline delivers it."""
    shape = (work.batch, work.size, work.size, work.channels)
    spec = {"image": jax.ShapeDtypeStruct(shape, jnp.uint8)}
    if work.classes:
        spec["label"] = jax.ShapeDtypeStruct((work.batch,), jnp.int32)
    return spec


def initial_state(work: Work, recipe: Recipe):
    """The state at step 0."""
    optimizers, spec = optimizers_of(work), batch_spec(work)
    return jax.jit(lambda key: init(recipe, optimizers, key, spec))(jax.random.key(0))


class JaxRound:
    """`work.rounds` rounds in one dispatch, on batches that lie on the device."""

    def __init__(self, work: Work):
        use_compilation_cache()
        self.work = work
        self.recipe = recipe = recipe_of(work)
        self.state = initial_state(work, recipe)
        rounds = make_rounds(make_step(recipe, optimizers_of(work)), work.rounds)
        self.rounds = jax.jit(rounds, donate_argnums=0)
        self.batches = _batches(work)
        self.phases: dict[str, Any] = {}

    def __call__(self, number: int) -> tuple[float, dict[str, float]]:
        """Round `number`: seconds of one round, and its losses."""
        self.state = self.state.replace(step=jnp.asarray(number, jnp.int32))
        jax.block_until_ready(self.state)
        begin = time.perf_counter()
        found = self.rounds(self.state, {}, self.batches, np.int32(self.work.rounds))
        self.state, metrics = jax.block_until_ready(found)
        seconds = (time.perf_counter() - begin) / self.work.rounds
        names = ("discriminator", "generator", *self.work.due(number))
        return seconds, {name: float(metrics[f"{name}/loss"][-1]) for name in names}

    def phase(self, name: str) -> tuple[float, dict[str, float]]:
        """One phase, all its turns, after which the state is as before: seconds, and no losses."""
        batches = jax.tree.map(lambda leaf: leaf[0], self.batches)
        if name not in self.phases:
            index = [phase.name for phase in self.recipe.phases].index(name)
            self.phases[name] = jax.jit(make_phase(self.recipe, optimizers_of(self.work), index))
            jax.block_until_ready(self.phases[name](self.state, {}, batches))
        begin = time.perf_counter()
        jax.block_until_ready(self.phases[name](self.state, {}, batches))
        return time.perf_counter() - begin, {}

    def description(self) -> dict[str, Any]:
        """Parameters, device and versions."""
        device = jax.devices()[0]
        return {
            "parameters": {
                name: sum(leaf.size for leaf in jax.tree.leaves(net.params))
                for name, net in self.state.nets.items()
            },
            "platform": device.platform,
            "hardware": hardware(),
        }


def _batches(work: Work) -> dict[str, Array]:
    """`[K, R, B, …]`; the rounds of a dispatch see the same pictures."""
    generator = np.random.default_rng(0)
    shape = (work.turns, work.batch)
    pictures = generator.integers(0, 256, (*shape, work.size, work.size, work.channels), np.uint8)
    batches = {"image": pictures}
    if work.classes:
        batches["label"] = generator.integers(0, work.classes, shape, np.int32)
    return {
        name: jnp.asarray(np.broadcast_to(leaf, (work.rounds, *leaf.shape)))
        for name, leaf in batches.items()
    }
