"""Expressions on your own pictures of faces, at 64x64: the same face with another expression.

    gan-jax data check folder:PATH
    gan-jax train experiments/folder_expression.py --config.data.name=folder:PATH
        --workdir=runs/mine --config.expressions="('angry', 'happy', 'neutral')"
    gan-jax translate runs/mine picture.png --condition.expression=happy

Every expression is a folder of pictures, or they are named in `labels.csv` (`file,label`); nobody
has to be there with more than one. Where `labels.csv` has a column of numbers in [0, 1] for each
movement instead, `--config.data.attributes="('smile', 'mouth_open')" --config.num_classes=2` takes
those, and `--condition.smile=0.7` asks for them. Faces should be cut out alike. `:128` takes larger
pictures, networks as wide and deep as the published ones and as many steps, for a GPU; `:smoke`
takes seconds and draws pictures of its own, unless `--config.data.name` names some.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.renamed import RenamedSource
from gan_jax.data.source import Source, in_memory
from gan_jax.errors import DataError, UsageError
from gan_jax.images import save_png
from gan_jax.networks.stargan import StarGANDiscriminator, StarGANTranslator
from gan_jax.recipe import Recipe
from gan_jax.recipes.expression import expression_recipe
from gan_jax.recipes.expression_drives import Drive, class_drive, strength_drive
from gan_jax.schedules import linear_decay, linear_warm_up

SMOKE_PICTURES = "runs/smoke_expressions"
LEAF = "expression"


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 8
    config.total = "1500 steps"
    config.log_every = "20 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.samples.count = 32
    config.data.name = "folder:"
    config.data.split = "all"
    config.data.size = 64
    config.data.channels = 3
    config.reading_turns = 3  # of the discriminator, on real pictures alone, a step
    config.expressions = ("happy", "neutral")  # the folders' names, or labels of labels.csv
    config.reading_weight = 1.0  # of the discriminator
    config.expression_weight = 0.1  # of what is read off translations
    config.cycle_weight = 10.0
    config.change_weight = 5.0  # reached at step `change_warm_up`, from 0
    config.change_warm_up = 1500
    config.variation_weight = 0.1
    config.r1_weight = 0.1
    config.ema_decay = 0.99
    config.decay = {"begin": 1500, "end": 3000}  # of the learning rates, in steps: down to 0
    config.generator = {"width": 16, "blocks": 3, "learning_rate": 6e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "learning_rate": 6e-4, "b1": 0.5}
    return choose(argument, config, smoke=smoke, **{"128": at_128})


def at_128(config: Config) -> None:
    """Widths, depths and length of Pumarola et al. 2018; modulation and skips stay."""
    config.batch_size = 16
    config.total = "100_000 steps"
    config.samples_every = "5_000 steps"
    config.checkpoint_every = "5_000 steps"
    config.data.size = 128
    config.ema_decay = 0.999
    config.decay = {"begin": 50_000, "end": 100_000}
    config.generator = {"width": 64, "blocks": 6, "learning_rate": 1e-4, "b1": 0.5}
    config.discriminator = {"width": 64, "learning_rate": 1e-4, "b1": 0.5}


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.data.name = f"folder:{SMOKE_PICTURES}"
    config.expressions = ("grow", "shrink", "stay")
    config.data.size = 32
    config.decay = {"begin": 4, "end": 8}
    config.generator.width = 8
    config.generator.blocks = 1
    config.discriminator.width = 8


def draw_smoke_pictures() -> None:
    """Handwritten digits of three sizes."""
    images: np.ndarray = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
    for index, digit in enumerate(images[:30]):
        name, side = (("shrink", 2), ("stay", 3), ("grow", 4))[index % 3]
        strength = np.kron(digit / 16.0, np.ones((side, side)))
        edge = (40 - len(strength)) // 2
        picture = 255.0 - np.pad(255.0 * strength, edge)[..., None] * np.ones(3)
        save_png(Path(SMOKE_PICTURES) / name / f"{index:03d}.png", picture.astype(np.uint8))


def get_dataset(config: Config) -> Source:
    """The pictures with their expressions; of the smoke run, pictures of its own unless others are
    given."""
    data = config.data
    if data.name == "folder:":
        raise UsageError("whose pictures? Set --config.data.name=folder:PATH")
    if data.name == f"folder:{SMOKE_PICTURES}":
        draw_smoke_pictures()
    source = open_source(
        data.name,
        split=data.split,
        geometry=Geometry(
            size=data.size,
            channels=data.channels,
            crop=data.crop,
            background=tuple(data.background),
        ),
        on_bad_image=data.on_bad_image,
        data_dir=data.directory or None,
        labels="none" if data.attributes else "required",
        attributes=data.attributes,
        progress=None,
    )
    found = source.class_names or ()
    if not data.attributes and found != expressions(config):
        raise DataError(
            f"{data.name} shows {', '.join(found)}, but config.expressions names "
            f'{", ".join(expressions(config))}: set --config.expressions="{found}"'
        )
    held = in_memory(source) if data.in_memory else source
    return RenamedSource(held, {"label": LEAF})


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    size, data = config.batch_size, config.data
    label = ((size, len(data.attributes)), jnp.float32) if data.attributes else ((size,), jnp.int32)
    return {
        "image": jax.ShapeDtypeStruct((size, data.size, data.size, data.channels), jnp.uint8),
        LEAF: jax.ShapeDtypeStruct(*label),
    }


def expressions(config: Config) -> tuple[str, ...]:
    """In the order of their numbers."""
    return tuple(sorted(config.expressions))


def drive_of(config: Config) -> Drive:
    """The class of a picture, or its attributes."""
    names = config.data.attributes
    if not names:
        if len(expressions(config)) < 2:
            raise UsageError("config.expressions names fewer than two expressions")
        return class_drive(expressions(config), LEAF)
    whole = [0.0] * len(names), [1.0] * len(names)
    return strength_drive(names, *whole, lambda batch: batch[LEAF], LEAF)


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    names = ("reading", "expression", "cycle", "change", "variation", "r1")
    drive = drive_of(config)
    return expression_recipe(
        generator=StarGANTranslator(
            config.data.channels,
            config.generator.width,
            config.generator.blocks,
            heads="mask",
            skips=True,
            upsample="resize",
            modulated=True,
            dtype=dtype,
        ),
        discriminator=StarGANDiscriminator(
            config.discriminator.width,
            size,
            drive.outputs,
            conditions=drive.told,
            dtype=dtype,
        ),
        drive=drive,
        likeness={},
        loss=losses.non_saturating,
        values={f"{name}_weight": config[f"{name}_weight"] for name in names}
        | {"ema_decay": config.ema_decay},
        schedules={
            f"{name}.learning_rate": linear_decay(config.decay.begin, config.decay.end)
            for name in ("generator", "discriminator")
        }
        | {"change_weight": linear_warm_up(config.change_warm_up)},
        reading_turns=config.reading_turns,
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {
        name: adam(config[name].learning_rate, b1=config[name].b1)
        for name in ("generator", "discriminator")
    }
