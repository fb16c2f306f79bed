"""ReACGAN on CIFAR-10 at 32x32: BigGAN's networks, D2D-CE in the place of the projection.

    pip install 'gan-jax[prepare]' && gan-jax data prepare tfds:cifar10
    gan-jax train experiments/cifar10_reacgan.py

Kang et al. 2021 in StudioGAN's setting: batch 128, temperature 0.5, margin 0.98, weight 0.5, Adam
(2.83e-4, 0.5, 0.999, epsilon 1e-6), five turns, mirrored pictures; BatchNorm's epsilon is 1e-5
(theirs 1e-4). Expected (published, not measured by us): FID 3.87 (StudioGAN), 2.64 with
DiffAugment.

FID in the loop: `--config.evaluate.on=true`, once `gan-jax weights import inception` was run.
`:smoke` takes seconds, on handwritten digits.
"""

from __future__ import annotations

import flax.linen as nn
import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.layers.heads import ContrastiveHead
from gan_jax.networks.biggan import BigGANDiscriminator, BigGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.classification import data_to_data
from gan_jax.recipes.noise import noise_recipe
from gan_jax.schedules import from_step


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 128
    config.total = "100_000 steps"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "5_000 steps"
    config.num_classes = 10
    config.data.name = "tfds:cifar10"
    config.data.size = 32
    config.data.channels = 3
    config.data.flip = True
    config.evaluate.on = False  # FID: true once Inception's weights are imported
    config.evaluate.every = "10_000 steps"
    config.evaluate.samples = 50_000
    config.latent_size = 80
    config.ema_decay = 0.9999
    config.ema_start = 1_000
    config.turns = 5
    config.classification = {"weight": 0.5, "temperature": 0.5, "margin": 0.98}
    config.generator = {"width": 96, "learning_rate": 2.8284e-4, "b1": 0.5, "b2": 0.999}
    config.discriminator = {"width": 96, "learning_rate": 2.8284e-4, "b1": 0.5, "b2": 0.999}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 20
    config.data.name = "digits"
    config.generator.width = 8
    config.discriminator.width = 8


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    learned = config.classification
    return noise_recipe(
        generator=BigGANGenerator(
            size, channels, width=config.generator.width, num_classes=classes, dtype=dtype
        ),
        discriminator=BigGANDiscriminator(
            size,
            width=config.discriminator.width,
            head=ContrastiveHead(classes, spectral=True, kernel_init=nn.initializers.orthogonal()),
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.hinge,
        values={"ema_decay": config.ema_decay, "classification_weight": learned.weight},
        schedules={"ema_decay": from_step(config.ema_start)},
        classification=data_to_data(learned.temperature, learned.margin),
        discriminator_turns=config.turns,
        joint=True,
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (Fidelity(every=every, samples=samples, protocol="tf1"),)


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(
        settings.learning_rate, b1=settings.b1, b2=settings.b2, eps=1e-6
    )
