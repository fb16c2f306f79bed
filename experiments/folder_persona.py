"""Persona style transfer on folders of your own pictures, at 64x64: any face in any style of yours.

    gan-jax data check folder:PATH
    gan-jax train experiments/folder_persona.py --workdir=runs/mine
        --config.data.name=folder:PATH --config.personas='("anna","ben")'
    gan-jax translate runs/mine me.png --condition.persona=anna
    gan-jax translate runs/mine me.png --condition.persona=ben --reference=PATH/ben/01.png

PATH holds a folder of pictures for each persona, under its name: an artist, a character, an epoch.
All should show alike things in alike places, as faces cut out the same way. `config.personas` names
those that take part (an error lists them all, ready to be copied). `--condition.persona` names the
persona to become; of references it must be the one that they are of. The styles of several
references are averaged, and without any the style is drawn, another for each picture.

`:128` and `:256` take larger pictures and the published networks, for a GPU; `:smoke` takes eight
steps and draws pictures of its own, unless `--config.data.name` names some.
"""

from __future__ import annotations

import difflib
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
from gan_jax.data.referenced import PICTURES, ReferencedSource
from gan_jax.data.source import Source, in_memory
from gan_jax.errors import DataError, UsageError
from gan_jax.images import save_png
from gan_jax.networks.starganv2 import (
    MappingNetwork,
    StarGANv2Discriminator,
    StarGANv2Generator,
    StyleEncoder,
)
from gan_jax.recipe import Recipe
from gan_jax.recipes.persona import persona_recipe
from gan_jax.schedules import linear_decay

SMOKE_PICTURES = "runs/smoke_pictures_of_personas"


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 4
    config.total = "4000 steps"
    config.samples.count = 16
    config.data.name = "folder:"
    config.data.split = "all"
    config.data.size = 64
    config.data.channels = 3
    config.personas = ("first", "second")  # folders below that of data.name
    config.mirrored = True  # half of the pictures
    config.latent_size = 16
    config.style_size = 32
    config.style_weight = 1.0
    config.diversity_weight = 1.0
    config.diversity_steps = 4000  # at the end of which its weight is 0
    config.cycle_weight = 1.0
    config.r1_weight = 1.0
    config.ema_decay = 0.99
    config.b2 = 0.99  # of Adam everywhere, whose b1 is 0
    config.weight_decay = 1e-4
    config.generator = {"base": 1024, "most": 64, "learning_rate": 5e-4}
    config.mapping = {"width": 128, "learning_rate": 5e-6}
    config.style_encoder = {"base": 512, "most": 64, "learning_rate": 5e-4}
    config.discriminator = {"base": 512, "most": 64, "learning_rate": 5e-4}
    return choose(
        argument, config, smoke=smoke, **{"128": published_at(128), "256": published_at(256)}
    )


def published_at(side: int):
    """Networks and length of Choi et al. 2020, there for a thousand pictures and more of each."""

    def change(config: Config) -> None:
        config.batch_size = 8
        config.total = "100_000 steps"
        config.samples_every = "5_000 steps"
        config.checkpoint_every = "5_000 steps"
        config.data.size = side
        config.style_size = 64
        config.diversity_steps = 100_000
        config.ema_decay = 0.999
        config.mapping.width = 512
        config.mapping.learning_rate = 1e-6
        for name in ("generator", "style_encoder", "discriminator"):
            config[name].base = 16384
            config[name].most = 512
            config[name].learning_rate = 1e-4

    return change


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.data.name = f"folder:{SMOKE_PICTURES}"
    config.data.size = 32
    config.style_size = 8
    config.diversity_steps = 8
    config.mapping.width = 8
    for name in ("generator", "style_encoder", "discriminator"):
        config[name].base = 128
        config[name].most = 8


def draw_smoke_pictures() -> None:
    """Handwritten digits: red on white, and white on blue."""
    images: np.ndarray = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
    kinds = {"first": ([220, 60, 90], [255, 255, 255]), "second": ([255, 255, 255], [40, 90, 200])}
    for (kind, (ink, paper)), digits in zip(
        kinds.items(), (images[:30], images[30:70]), strict=True
    ):
        for index, digit in enumerate(digits):
            strength = np.kron(digit / 16.0, np.ones((5, 5)))[..., None]
            picture = strength * np.array(ink) + (1.0 - strength) * np.array(paper)
            save_png(Path(SMOKE_PICTURES, kind, f"{index:03d}.png"), picture.astype(np.uint8))


def get_dataset(config: Config) -> ReferencedSource:
    """The folders of all personas; of the smoke run pictures of its own, unless it is given others.

    Raises:
        UsageError: names that are no folders, or fewer than two of them.
        DataError: there is no such folder, or no pictures in one.
    """
    kind, _, path = config.data.name.partition(":")
    if kind != "folder" or not path:
        raise UsageError("whose pictures? Set --config.data.name=folder:PATH")
    if config.data.flip:
        raise UsageError("data.flip mirrors single pictures; set mirrored=True for all")
    if path == SMOKE_PICTURES:
        draw_smoke_pictures()
    check_personas(Path(path).expanduser(), tuple(config.personas))
    personas = {name: opened(f"folder:{path}/{name}", config) for name in config.personas}
    return ReferencedSource(personas, seed=config.data.seed, mirrored=config.mirrored)


def check_personas(folder: Path, personas: tuple[str, ...]) -> None:
    """That each has a folder; raises as `get_dataset`."""
    if not folder.is_dir():
        raise DataError(f"folder:{folder}: there is no such folder")
    known = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    if len(known) < 2:
        found = f"only {known[0]!r}" if known else "none"
        raise DataError(f"folder:{folder}: two personas at least, a folder each; there is {found}")
    for name in personas:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            nearest = f"; the nearest is {close[0]!r}" if close else ""
            names = ",".join(f'"{each}"' for each in known)
            raise UsageError(
                f"folder:{folder} has no persona {name!r}{nearest}; for all that there are set "
                f"--config.personas='({names})'"
            )


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
    count, side = config.batch_size, config.data.size
    picture = jax.ShapeDtypeStruct((count, side, side, config.data.channels), jnp.uint8)
    number = jax.ShapeDtypeStruct((count,), jnp.int32)
    pictures = {name: picture for name in PICTURES}
    return pictures | {name: number for name in PICTURES.values()}


def get_recipe(config: Config) -> Recipe:
    size, style_size, dtype = config.data.size, config.style_size, compute_dtype(config)
    count = len(config.personas)
    return persona_recipe(
        generator=StarGANv2Generator(
            size,
            config.data.channels,
            channel_base=config.generator.base,
            channel_max=config.generator.most,
            dtype=dtype,
        ),
        mapping=MappingNetwork(count, style_size, config.mapping.width, dtype=dtype),
        style_encoder=StyleEncoder(
            size, count, style_size, config.style_encoder.base, config.style_encoder.most, dtype
        ),
        discriminator=StarGANv2Discriminator(
            size, count, config.discriminator.base, config.discriminator.most, dtype
        ),
        personas=tuple(config.personas),
        latent_size=config.latent_size,
        style_size=style_size,
        loss=losses.non_saturating,
        values={
            name: config[name]
            for name in (
                *("style_weight", "diversity_weight", "cycle_weight", "r1_weight"),
                "ema_decay",
            )
        },
        schedules={"diversity_weight": linear_decay(0, config.diversity_steps)},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    names = ("generator", "mapping", "style_encoder", "discriminator")
    decayed = optax.inject_hyperparams(adam, static_args=("b2", "weight_decay"))
    return {
        name: decayed(config[name].learning_rate, b2=config.b2, weight_decay=config.weight_decay)
        for name in names
    }


def adam(learning_rate: float, b2: float, weight_decay: float) -> optax.GradientTransformation:
    """Whose weight decay is L2, a part of the gradient, as published; AdamW's is not."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay), optax.adam(learning_rate, b1=0.0, b2=b2)
    )
