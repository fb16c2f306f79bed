"""A variational autoencoder on avatars at 64x64.

    gan-jax train experiments/avatars_vae.py

Reconstructions, samples of the prior and walks between latents; the bound and its parts are logged
each step, and at the end measured on held-out avatars with 50 draws a picture.

`--config.beta=4` weighs the divergence (beta-VAE), `--config.free_bits=0.05` lets each latent tell
so many nats for nothing, `--config.likelihood=gaussian` or `laplace` takes another one of pixels.
`:long` takes three times the steps, `:smoke` seconds at 32x32.
"""

from __future__ import annotations

import optax

from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.evaluators.avatars import AvatarFidelity
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.interpolation import Interpolation
from gan_jax.evaluators.reconstructions import Reconstructions
from gan_jax.networks.vae import VAEDecoder, VAEEncoder
from gan_jax.recipe import Recipe
from gan_jax.recipes.vae import likelihood_named, log_weight, vae_recipe


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
    config.likelihood = "logistic"  # or gaussian, laplace
    config.beta = 1.0
    config.free_bits = 0.0  # nats a latent
    config.ema_decay = 0.995
    config.encoder = {"width": 24, "learning_rate": 1e-3}
    config.decoder = {"width": 32, "learning_rate": 1e-3, "log_scale": -2.0}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "12_000 steps"
    config.samples_every = "2_000 steps"
    config.evaluate.every = "3_000 steps"


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
    config.encoder.width = 8
    config.decoder.width = 8


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    return vae_recipe(
        encoder=VAEEncoder(config.latent_size, config.encoder.width, size, dtype=dtype),
        decoder=VAEDecoder(
            size,
            config.data.channels,
            config.decoder.width,
            log_scale=config.decoder.log_scale,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        likelihood=likelihood_named(config.likelihood),
        values={
            "beta": config.beta,
            "free_bits": config.free_bits,
            "ema_decay": config.ema_decay,
        },
        schedules={},
    )


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    every, samples = config.evaluate.every, config.evaluate.samples
    likelihood = likelihood_named(config.likelihood)
    return (
        Reconstructions(every=every, samples=min(samples, 1000)),
        Reconstructions(
            name="bound",
            samples=min(samples, 256),
            log_weight=log_weight(likelihood),
            likelihood=config.likelihood,
            is_density=likelihood.is_density,
        ),
        AvatarFidelity(every=every, samples=samples),
        Interpolation(),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {name: adam(config[name].learning_rate) for name in ("encoder", "decoder")}
