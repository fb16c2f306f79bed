"""VAE-GAN on avatars at 64x64: sharper reconstructions, judged by a discriminator's features.

    gan-jax train experiments/avatars_vaegan.py

The same encoder and decoder as `avatars_vae.py`, whose reconstructions are blurred where the
likelihood of pixels does not know better: compare `evaluations/*_reconstructions.png` of both. Here
the pixels may be further off (`l1`) while the pictures look nearer (`fd_avatar`).

`:long` takes four times the steps, `:smoke` seconds at 32x32.
"""

from __future__ import annotations

import flax.linen as nn
import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.reconstructions import Reconstructions
from gan_jax.layers.heads import FeatureHead
from gan_jax.networks.dcgan import DCGANDiscriminator
from gan_jax.networks.vae import VAEDecoder, VAEEncoder
from gan_jax.recipe import Recipe
from gan_jax.recipes.vaegan import vaegan_recipe


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 16
    config.total = "4000 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "1000 steps"
    config.evaluate.samples = 2000
    config.latent_size = 64
    config.beta = 1.0
    config.similarity_weight = 0.01  # the paper's gamma
    config.ema_decay = 0.995
    config.encoder = {"width": 24, "learning_rate": 3e-4, "b1": 0.5}
    config.decoder = {"width": 32, "learning_rate": 3e-4, "b1": 0.5}
    config.discriminator = {"width": 24, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "16_000 steps"
    config.samples_every = "2_000 steps"
    config.evaluate.every = "4_000 steps"


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.evaluate.every = "4 steps"
    config.evaluate.samples = 64
    config.data.name = "avatars/32"
    config.data.size = 32
    config.latent_size = 8
    for network in ("encoder", "decoder", "discriminator"):
        config[network].width = 8


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    return vaegan_recipe(
        encoder=VAEEncoder(config.latent_size, config.encoder.width, size, dtype=dtype),
        decoder=VAEDecoder(
            size, config.data.channels, config.decoder.width, learn_scale=False, dtype=dtype
        ),
        discriminator=DCGANDiscriminator(
            size,
            config.discriminator.width,
            head=FeatureHead(spectral=0, kernel_init=nn.initializers.normal(0.02)),
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        loss=losses.non_saturating,
        values={
            "beta": config.beta,
            "similarity_weight": config.similarity_weight,
            "ema_decay": config.ema_decay,
        },
        schedules={},
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    return (
        Reconstructions(every=every, samples=min(samples, 1000)),
        AvatarFidelity(every=every, samples=samples),
        Interpolation(),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {
        name: adam(config[name].learning_rate, b1=config[name].b1)
        for name in ("encoder", "decoder", "discriminator")
    }
