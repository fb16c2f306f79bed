"""CycleGAN on two folders of your own pictures, at 64x64: each kind into the other, without pairs.

    gan-jax data check folder:A
    gan-jax data check folder:B
    gan-jax train experiments/folder_cyclegan.py --workdir=runs/mine
        --config.data.name=folder:A --config.data.other=folder:B

The two kinds should show alike things in alike places (faces and drawn faces, both cut out the same
way): what has no counterpart on the other side gets lost or invented. Samples are of A turned into
B; `reals.png` has pairs of what training reads, which belong to nobody. Where colours are to change
freely set `--config.identity_weight=0`, which also saves a third of the time. `:128` and `:256`
take larger pictures and the published networks, for a GPU; `:smoke` takes seconds and draws
pictures of its own, unless the two names are given.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.source import Source, in_memory
from gan_jax.data.unpaired import UnpairedSource
from gan_jax.errors import UsageError
from gan_jax.images import save_png
from gan_jax.networks.patchgan import PatchGAN
from gan_jax.networks.resnet_translator import ResNetTranslator
from gan_jax.recipe import Recipe
from gan_jax.recipes.unpaired import DIRECTIONS, JUDGES, unpaired_recipe, whole_squares
from gan_jax.schedules import linear_decay

SMOKE_PICTURES = "runs/smoke_pictures"


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 1
    config.total = "4000 steps"
    config.samples.count = 16
    config.data.name = "folder:"
    config.data.other = "folder:"
    config.data.split = "all"
    config.data.size = 64
    config.data.channels = 3
    config.mirrored = True  # half of the pictures of both kinds
    config.cycle_weight = 10.0
    config.identity_weight = 0.5
    config.pool_size = 50
    config.ema_decay = 0.99
    config.decay = {"begin": 2000, "end": 4000}  # of all learning rates, in steps: down to 0
    config.generator = {"width": 16, "blocks": 6, "learning_rate": 2e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "layers": 2, "learning_rate": 2e-4, "b1": 0.5}
    sizes = {"128": published_at(128, blocks=6), "256": published_at(256, blocks=9)}
    return choose(argument, config, smoke=smoke, **sizes)


def published_at(side: int, blocks: int):
    """Networks and length of Zhu et al. 2017, there for about 1,000 pictures of each kind."""

    def change(config: Config) -> None:
        config.total = "200_000 steps"
        config.samples_every = "5_000 steps"
        config.checkpoint_every = "5_000 steps"
        config.data.size = side
        config.ema_decay = 0.999
        config.decay = {"begin": 100_000, "end": 200_000}
        config.generator.width = 64
        config.generator.blocks = blocks
        config.discriminator.width = 64
        config.discriminator.layers = 3

    return change


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.data.name = f"folder:{SMOKE_PICTURES}_a"
    config.data.other = f"folder:{SMOKE_PICTURES}_b"
    config.data.size = 32
    config.pool_size = 3
    config.generator.width = 4
    config.generator.blocks = 1
    config.discriminator.width = 4
    config.discriminator.layers = 1
    config.decay = {"begin": 4, "end": 8}


def draw_smoke_pictures() -> None:
    """Handwritten digits: red on white, and white on blue."""
    images: np.ndarray = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
    kinds = {"a": ([220, 60, 90], [255, 255, 255]), "b": ([255, 255, 255], [40, 90, 200])}
    for (kind, (ink, paper)), digits in zip(
        kinds.items(), (images[:30], images[30:70]), strict=True
    ):
        for index, digit in enumerate(digits):
            strength = np.kron(digit / 16.0, np.ones((5, 5)))[..., None]
            picture = strength * np.array(ink) + (1.0 - strength) * np.array(paper)
            path = Path(f"{SMOKE_PICTURES}_{kind}") / f"{index:03d}.png"
            save_png(path, picture.astype(np.uint8))


def get_dataset(config: Config) -> UnpairedSource:
    """Both folders; of the smoke run pictures of its own, unless it is given others."""
    names = (config.data.name, config.data.other)
    if "folder:" in names:
        raise UsageError(
            "whose pictures? Set --config.data.name=folder:A and --config.data.other=folder:B"
        )
    if config.data.flip:
        raise UsageError("data.flip mirrors single pictures; set mirrored=True for both kinds")
    if names == (f"folder:{SMOKE_PICTURES}_a", f"folder:{SMOKE_PICTURES}_b"):
        draw_smoke_pictures()
    a, b = (opened(name, config) for name in names)
    return UnpairedSource(a, b, seed=config.data.seed, mirrored=config.mirrored)


def opened(name: str, config: Config) -> Source:
    data = config.data
    source = open_source(
        name,
        split=data.split,
        geometry=Geometry(
            size=data.size,
            channels=data.channels,
            crop=data.crop,
            background=tuple(data.background),
        ),
        on_bad_image=data.on_bad_image,
        data_dir=data.directory or None,
        labels="none",
        progress=None,
    )
    return in_memory(source) if data.in_memory else source


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    side = config.data.size
    shape = (config.batch_size, side, side, config.data.channels)
    return dict.fromkeys(("a", "b"), jax.ShapeDtypeStruct(shape, jnp.uint8))


def get_recipe(config: Config) -> Recipe:
    side, channels, dtype = config.data.size, config.data.channels, compute_dtype(config)
    generator = ResNetTranslator(
        channels, config.generator.width, config.generator.blocks, dtype=dtype
    )
    discriminator = PatchGAN(
        config.discriminator.width, config.discriminator.layers, "instance", dtype=dtype
    )
    decay = linear_decay(config.decay.begin, config.decay.end)
    return unpaired_recipe(
        generator_ab=generator,
        generator_ba=generator,
        discriminator_a=discriminator,
        discriminator_b=discriminator,
        shape=(side, side, channels),
        pool_size=config.pool_size,
        loss=whole_squares,
        values={
            "cycle_weight": config.cycle_weight,
            "identity_weight": config.identity_weight,
            "ema_decay": config.ema_decay,
        },
        schedules={f"{name}.learning_rate": decay for name in (*DIRECTIONS, *JUDGES)},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    generators = {name: adam(config.generator) for name in DIRECTIONS}
    return generators | {name: adam(config.discriminator) for name in JUDGES}


def adam(settings: Config) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(settings.learning_rate, b1=settings.b1)
