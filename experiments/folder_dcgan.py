"""DCGAN on a folder of your own pictures, at 64x64.

    gan-jax data check folder:PATH
    gan-jax train experiments/folder_dcgan.py --config.data.name=folder:PATH --workdir=runs/mine

Expected on two CPU cores: about 20 minutes for 5,000 steps, whatever the number of pictures; a few
thousand aligned faces become recognisable, fewer than a few hundred are learnt by heart. `:smoke`
takes seconds and draws pictures of its own, unless `--config.data.name` names some.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optax
from sklearn.datasets import load_digits

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.errors import UsageError
from gan_jax.images import save_png
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.schedules import ema_decay, ramp_up

SMOKE_PICTURES = "runs/smoke_pictures"


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 32
    config.total = "5000 steps"
    config.data.name = "folder:"
    config.data.split = "all"
    config.data.size = 64
    config.data.flip = True
    config.latent_size = 128
    config.ema_half_life = 20_000.0  # images; at most 5 % of those seen
    config.r1_weight = 1.0
    config.r1_every = 8
    config.generator = {"width": 32, "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "learning_rate": 2e-4, "b1": 0.5}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 16
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.data.name = f"folder:{SMOKE_PICTURES}"
    config.data.size = 32
    config.generator.width = 8
    config.discriminator.width = 8


def prepare_data(config: Config) -> None:
    """Of the smoke run, which has pictures of its own unless it is given others."""
    if config.data.name == "folder:":
        raise UsageError("whose pictures? Set --config.data.name=folder:PATH")
    if config.data.name == f"folder:{SMOKE_PICTURES}":
        inks = np.array([[220, 60, 90], [60, 140, 220], [40, 160, 110], [250, 180, 40]])
        images: np.ndarray = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
        for index, digit in enumerate(images[:40]):
            strength = np.kron(digit / 16.0, np.ones((5, 5)))[..., None]
            picture = (255.0 - strength * (255.0 - inks[index % 4])).astype(np.uint8)
            save_png(Path(SMOKE_PICTURES) / f"{index:03d}.png", picture)


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    return noise_recipe(
        generator=DCGANGenerator(
            size, channels, width=config.generator.width, num_classes=classes, dtype=dtype
        ),
        discriminator=DCGANDiscriminator(
            size,
            width=config.discriminator.width,
            num_classes=classes,
            normalise=False,
            dtype=dtype,
        ),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={"ema_decay": config.ema_half_life, "r1_weight": config.r1_weight},
        schedules={"ema_decay": ema_decay(config.batch_size, ramp_up(0.05))},
        regularisers=(r1(every=config.r1_every),),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
