"""StyleGAN2-ADA on a folder of your own pictures, here at 128x128.

    gan-jax train experiments/folder_stylegan2.py:128 --config.data.name=folder:PATH

`:32`, `:64`, `:128`, `:256`, `:512` or `:1024` is the size; without one it is 256. Batch, width,
learning rate, half-life and gamma = 0.0002 size^2 / batch follow from it as in the release's `auto`
configuration (Karras et al. 2020, ADA); each can be overridden by itself. A few hundred pictures
are enough to begin with: the augmentation adapts. From a trained run it goes further with fewer:
`--config.initialise.run=RUN`, and with `--config.frozen=4` the discriminator's four highest
resolutions stay as they came (freeze-D: Mo et al. 2020); the average goes on from that run's, and p
moves five times as fast, as the release does it. `:smoke` takes a minute, on pictures that
it writes, unless `--config.data.name` names some.
"""

from __future__ import annotations

import functools
from math import log2
from pathlib import Path

import numpy as np
import optax
from sklearn.datasets import load_digits

from gan_jax import losses
from gan_jax.augment.ada.pipeline import ada_pipeline
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.errors import UsageError
from gan_jax.images import save_png
from gan_jax.networks.stylegan2.configurations import automatic
from gan_jax.optimizers import freeze, lazy_adam
from gan_jax.recipe import Recipe
from gan_jax.recipes.augmentation import adaptive
from gan_jax.recipes.drawing import Styled
from gan_jax.recipes.generator_regularisers import path_length
from gan_jax.recipes.noise import noise_recipe
from gan_jax.recipes.regularisers import r1
from gan_jax.schedules import constant, ema_decay, ramp_up

SMOKE_PICTURES = "runs/smoke_pictures"
SIZES = (32, 64, 128, 256, 512, 1024)


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.samples_every = "1_000 steps"
    config.checkpoint_every = "1_000 steps"
    config.data.name = "folder:"
    config.data.split = "all"
    config.data.flip = True
    config.latent_size = 512
    config.mixing = 0.9
    config.r1_every = 16
    config.path_length_weight = 2.0
    config.path_length_every = 4
    config.frozen = 0  # resolutions of the discriminator, from the picture's down, that never learn
    config.ada = {"groups": "bgc", "target": 0.6, "ramp_kimg": 500.0, "ramp_kimg_from_a_run": 100.0}
    follow_from_size(config, 256)
    sizes = {str(size): functools.partial(follow_from_size, size=size) for size in SIZES}
    return choose(argument, config, smoke=smoke, **sizes)


def follow_from_size(config: Config, size: int) -> None:
    heuristic = automatic(size)
    config.data.size = size
    config.batch_size = heuristic.batch_size
    config.total = f"{heuristic.kimg * 1000} images"
    config.width = heuristic.channel_base  # features are this over the resolution, at most 512
    config.learning_rate = heuristic.learning_rate
    config.r1_weight = heuristic.r1_gamma
    config.ema_half_life = 1000 * heuristic.ema_kimg  # images; at most 5 % of those seen


def smoke(config: Config) -> None:
    follow_from_size(config, 32)
    config.batch_size = 4
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 4
    config.data.name = f"folder:{SMOKE_PICTURES}"
    config.latent_size = 32
    config.width = 256


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
    networks = automatic(size)._replace(
        channel_base=config.width, group_size=min(config.batch_size, 4)
    )
    from_a_run = bool(config.initialise.run)
    half_life = constant if from_a_run else ramp_up(0.05)
    ramp_kimg = config.ada.ramp_kimg_from_a_run if from_a_run else config.ada.ramp_kimg
    return noise_recipe(
        generator=networks.generator(size, channels, classes, dtype=dtype),
        discriminator=networks.discriminator(size, classes, dtype=dtype),
        latent_size=config.latent_size,
        num_classes=classes,
        loss=losses.non_saturating,
        values={
            "ema_decay": config.ema_half_life,
            "r1_weight": config.r1_weight,
            "path_length_weight": config.path_length_weight,
            "augment_target": config.ada.target,
        },
        schedules={"ema_decay": ema_decay(config.batch_size, half_life)},
        regularisers=(r1(every=config.r1_every),),
        generator_regularisers=(path_length(every=config.path_length_every),),
        augmentation=adaptive(ada_pipeline(config.ada.groups), ramp_kimg=ramp_kimg),
        drawing=Styled(mixing=config.mixing),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(functools.partial(optax.adam, eps=1e-8))
    lazy = functools.partial(lazy_adam, config.learning_rate, b1=0.0, b2=0.99)
    discriminator = adam(**lazy(every=config.r1_every))
    levels = int(log2(config.data.size)) - 2
    if not 0 <= config.frozen <= levels:
        raise UsageError(
            f"frozen={config.frozen}: the discriminator has {levels} resolutions above 4"
        )
    if config.frozen:
        stay = ["from_picture", *(str(config.data.size >> level) for level in range(config.frozen))]
        discriminator = freeze(discriminator, lambda path: path.split("/")[0] in stay)
    return {
        "generator": adam(**lazy(every=config.path_length_every)),
        "discriminator": discriminator,
    }
