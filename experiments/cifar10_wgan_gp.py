"""WGAN-GP on CIFAR-10 at 32x32, unconditional: residual networks, a critic without normalisation.

    pip install 'gan-jax[prepare]' && gan-jax data prepare tfds:cifar10
    gan-jax train experiments/cifar10_wgan_gp.py

Gulrajani et al. 2017: lambda 10, five turns, Adam (2e-4, 0, 0.9) whose rate falls to 0 over 100,000
rounds, 128 features in every block, the mean over the last pixels. The authors' generator takes
batches twice as large as the critic's; here both take 64, and beside its weights their average is
kept. Expected (published, not measured by us): inception score 7.86 in the paper; FID 22.29
(mimicry), 53.98 (StudioGAN).

FID in the loop: `--config.evaluate.on=true`, once `gan-jax weights import inception` was run.
`:smoke` takes seconds, on handwritten digits.
"""

from __future__ import annotations

import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.fidelity import Fidelity
from gan_jax.networks.sngan import SNGANDiscriminator, SNGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import gradient_penalty
from gan_jax.schedules import from_step, linear_decay


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 64
    config.total = "100_000 steps"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "5_000 steps"
    config.data.name = "tfds:cifar10"
    config.data.size = 32
    config.data.channels = 3
    config.evaluate.on = False  # FID: true once Inception's weights are imported
    config.evaluate.every = "10_000 steps"
    config.evaluate.samples = 50_000
    config.latent_size = 128
    config.ema_decay = 0.9999
    config.ema_start = 1_000
    config.turns = 5
    config.gradient_penalty_weight = 10.0
    config.decay_steps = 100_000  # of both learning rates, to 0
    config.generator = {"width": 32, "learning_rate": 2e-4, "b1": 0.0, "b2": 0.9}
    config.discriminator = {"width": 64, "learning_rate": 2e-4, "b1": 0.0, "b2": 0.9}
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
    decay = linear_decay(0, config.decay_steps)
    return noise_recipe(
        generator=SNGANGenerator(
            size, channels, width=config.generator.width, num_classes=classes, dtype=dtype
        ),
        discriminator=SNGANDiscriminator(
            size,
            width=config.discriminator.width,
            num_classes=classes,
            spectral=False,
            mean_pool=True,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.wasserstein,
        values={
            "ema_decay": config.ema_decay,
            "gradient_penalty_weight": config.gradient_penalty_weight,
        },
        schedules={
            "ema_decay": from_step(config.ema_start),
            "generator.learning_rate": decay,
            "discriminator.learning_rate": decay,
        },
        regularisers=(gradient_penalty(),),
        discriminator_turns=config.turns,
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (Fidelity(every=every, samples=samples, protocol="tf1"),)


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(
        settings.learning_rate, b1=settings.b1, b2=settings.b2
    )
