"""Persona style transfer on avatars at 64x64: any face in any drawing style (StarGAN v2).

    gan-jax train experiments/avatars_persona.py
    gan-jax translate runs/avatars_persona mine.png --condition.persona=pastel
    gan-jax translate runs/avatars_persona mine.png --condition.persona=cel --reference=other.png

A persona is one of the renderer's drawing styles; within it the style code is free to carry the
colours of skin, hair, eyes and clothes. `--condition.persona` names the persona to become; of
references it must be the one that they are of, for each persona has its own reading of a picture.
The styles of several references are averaged, and without any the style is drawn, another for each
picture.

No avatar of the training set is seen in two styles. The renderer can draw every held-out avatar in
another's style and colours: `evaluations/*_persona.png` shows inputs, references, translations and
truth below one another, `*_persona_drawn.png` inputs above translations with drawn styles.

On two CPU cores of a busy machine 2,000 steps took 24 minutes, besides some for compiling; then the
judge read the right drawing style off 59 % of held-out faces (0 % of copies). Pictures are blocky
still, colours of the references hardly taken.

`--config.personas='("flat", "pastel")'` takes other styles. `:long` takes ten times the steps,
with twice the batch and wider networks; `:smoke` eight at 32x32.
"""

from __future__ import annotations

import hashlib

import jax
import jax.numpy as jnp
import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.avatars.parameters import STYLES
from gan_jax.data.geometry import Geometry
from gan_jax.data.open import open_source
from gan_jax.data.referenced import PICTURES, ReferencedSource
from gan_jax.data.source import ArraySource, in_memory
from gan_jax.errors import DataError, UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.persona_truth import PersonaTruth
from gan_jax.evaluators.style_truth import style_number
from gan_jax.networks.starganv2 import (
    MappingNetwork,
    StarGANv2Discriminator,
    StarGANv2Generator,
    StyleEncoder,
)
from gan_jax.recipe import Recipe
from gan_jax.recipes.persona import persona_recipe
from gan_jax.schedules import linear_decay


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 4
    config.total = "1500 steps"
    config.log_every = "20 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.samples.count = 16
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "1500 steps"
    config.evaluate.samples = 400
    config.personas = STYLES
    config.latent_size = 16
    config.style_size = 32
    config.style_weight = 1.0
    config.diversity_weight = 1.0
    config.diversity_steps = 1500  # at the end of which its weight is 0
    config.cycle_weight = 1.0
    config.r1_weight = 1.0
    config.ema_decay = 0.99
    config.b2 = 0.99  # of Adam everywhere, whose b1 is 0
    config.weight_decay = 1e-4
    config.generator = {"base": 1024, "most": 64, "learning_rate": 5e-4}
    config.mapping = {"width": 128, "learning_rate": 5e-6}
    config.style_encoder = {"base": 512, "most": 64, "learning_rate": 5e-4}
    config.discriminator = {"base": 512, "most": 64, "learning_rate": 5e-4}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.batch_size = 8
    config.total = "15_000 steps"
    config.samples_every = "2_000 steps"
    config.checkpoint_every = "1_000 steps"
    config.evaluate.every = "4_000 steps"
    config.diversity_steps = 15_000
    config.generator.most = 128
    for name in ("style_encoder", "discriminator"):
        config[name].base = 1024
        config[name].most = 128


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.evaluate.every = "8 steps"
    config.evaluate.samples = 24
    config.data.name = "avatars/32"
    config.data.size = 32
    config.style_size = 8
    config.diversity_steps = 8
    config.mapping.width = 8
    for name in ("generator", "style_encoder", "discriminator"):
        config[name].base = 128
        config[name].most = 8


def geometry(config: Config) -> Geometry:
    data = config.data
    return Geometry(
        size=data.size, channels=data.channels, crop=data.crop, background=tuple(data.background)
    )


def get_dataset(config: Config) -> ReferencedSource:
    """The training avatars of every persona."""
    if config.data.flip:
        raise UsageError("data.flip: avatars are no mirror images of others; leave it off")
    source = open_source(
        config.data.name,
        split=config.data.split,
        geometry=geometry(config),
        on_bad_image=config.data.on_bad_image,
        data_dir=config.data.directory or None,
        labels="none",
        progress=None,
    )
    everything = in_memory(source)
    personas = {style: of_style(everything, style) for style in config.personas}
    return ReferencedSource(personas, seed=config.data.seed)


def of_style(source: ArraySource, style: str) -> ArraySource:
    if "style" not in source.arrays:
        raise DataError("these pictures have no drawing style: set data.name=avatars/64")
    images = source.arrays["image"][source.arrays["style"] == style_number(style)]
    fingerprint = hashlib.sha256(f"{source.fingerprint} {style}".encode()).hexdigest()
    return ArraySource({"image": images}, fingerprint, None, None)


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    count, side = config.batch_size, config.data.size
    picture = jax.ShapeDtypeStruct((count, side, side, config.data.channels), jnp.uint8)
    number = jax.ShapeDtypeStruct((count,), jnp.int32)
    pictures = {name: picture for name in PICTURES}
    return pictures | {name: number for name in PICTURES.values()}


def get_recipe(config: Config) -> Recipe:
    size, style_size, dtype = config.data.size, config.style_size, compute_dtype(config)
    count = len(config.personas)
    for style in config.personas:
        style_number(style)
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


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    return (
        PersonaTruth(
            every=config.evaluate.every,
            samples=config.evaluate.samples,
            geometry=geometry(config),
            avatars=config.data.name,
            directory=config.data.directory,
        ),
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
