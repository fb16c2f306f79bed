"""DCGAN on 200 handwritten digits with adaptive augmentation: few pictures, and p to watch.

    gan-jax train experiments/digits_ada.py
    gan-jax train experiments/digits_ada.py:many        # 1,600 digits

`discriminator/augment_p` in metrics.jsonl (and on the page of `gan-jax report`) is the curve: it
rises while the discriminator is surer of real pictures than the target, and falls otherwise. Seen
(one seed, `benchmarks/digits_ada.py`, drawn in docs/objectives.md): p climbs while the generator is
weak, to 0.86 with 200 digits and to 0.61 with 1,600, and falls to about 0.1 as it catches up.

The ramp is short, 20 thousand pictures from 0 to 1 where 500 thousand are published (Karras et al.
2020a), and the discriminator learns at three times the generator's rate.

`:smoke` takes seconds.
"""

from __future__ import annotations

import grain
import optax

from gan_jax import losses
from gan_jax.augment.ada.pipeline import ada_pipeline
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.open import open_source
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.recipe import Recipe
from gan_jax.recipes.augmentation import adaptive
from gan_jax.recipes.noise import noise_recipe
from gan_jax.training_data import geometry


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 32
    config.total = "8000 steps"
    config.log_every = "20 steps"
    config.samples_every = "1000 steps"
    config.checkpoint_every = "500 steps"
    config.checkpoint.keep_every = 500
    config.data.name = "digits"
    config.data.size = 32
    config.data.channels = 1
    config.pictures = 200  # the first of the data
    config.latent_size = 64
    config.ema_decay = 0.995
    config.augment = {"groups": "bg", "target": 0.6, "ramp_kimg": 20.0}
    config.generator = {"width": 8, "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "learning_rate": 6e-4, "b1": 0.5}
    return choose(argument, config, smoke=smoke, many=many)


def many(config: Config) -> None:
    config.pictures = 1600


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "20 steps"
    config.log_every = "5 steps"
    config.samples_every = "10 steps"
    config.checkpoint_every = "10 steps"
    config.samples.count = 16
    config.generator.width = 4
    config.discriminator.width = 4


def get_dataset(config: Config) -> grain.MapDataset:
    return digits(config, config.data.split)[: config.pictures]


def digits(config: Config, split: str) -> grain.MapDataset:
    source = open_source(
        config.data.name,
        split=split,
        geometry=geometry(config),
        on_bad_image="error",
        data_dir=None,
        labels="required" if config.num_classes else "none",
        progress=None,
    )
    return grain.MapDataset.source(source)


def get_recipe(config: Config) -> Recipe:
    size, channels, classes = config.data.size, config.data.channels, config.num_classes
    dtype = compute_dtype(config)
    augment = config.augment
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
        values={"ema_decay": config.ema_decay, "augment_target": augment.target},
        schedules={},
        augmentation=adaptive(ada_pipeline(augment.groups), ramp_kimg=augment.ramp_kimg),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    return {name: adam(config[name]) for name in ("generator", "discriminator")}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
