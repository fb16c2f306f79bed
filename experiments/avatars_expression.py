"""Expressions on avatars at 64x64: the same face, happy, sad or with one eyebrow up.

    gan-jax train experiments/avatars_expression.py
    gan-jax translate runs/avatars_expression picture.png --condition.expression=happy
        --condition.intensity=0.8

The generator keeps most of a picture and paints the rest (StarGAN's trunk, GANimation's mask); what
an avatar truly looks like with another expression is never seen in training. `drive="vector"` takes
the strength of every movement instead of a name: `--condition.jawOpen=0.6 --condition.tears=1`.

Who it is must not change, by what the avatar encoder and the identity recogniser see of it; whom it
paints the generator is told by the recogniser, where the parts of the face are it is drawn by the
landmark finder. All three come with the package and stay as they are.

Expected on two CPU cores with tests beside: 21 minutes, after which the judge reads the right
expression off 81 % of held-out faces (13 % of copies, 98 % of the renderer's own pictures), and
1.2 % of what makes up who it is as another (0.3 % of the renderer's). `:long`, 41 minutes, is the
same run gone on to twice the steps: 90 % and 1.2 %. `:smoke` takes seconds.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.avatars.expressions import EXPRESSIONS
from gan_jax.data.avatars.landmarks import LANDMARKS, LINES
from gan_jax.data.avatars.parameters import HIGH, LOW, NAMES, group
from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.expression_transfer import ExpressionTransfer
from gan_jax.networks.identity_recogniser import CHOICES, IdentityRecogniser
from gan_jax.networks.landmark_finder import LandmarkFinder
from gan_jax.networks.stargan import StarGANDiscriminator, StarGANTranslator
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.recipe import Recipe
from gan_jax.recipes.expression import expression_recipe
from gan_jax.recipes.expression_drives import (
    Drive,
    graded_class_drive,
    identified,
    located,
    strength_drive,
)
from gan_jax.recipes.likeness import likeness_by_recognition, likeness_by_statistics
from gan_jax.schedules import linear_decay, piecewise_linear
from gan_jax.weights.store import Weights, find_weights
from gan_jax.weights.style_weights import style_weights

NEUTRAL = EXPRESSIONS.index("neutral")
STRENGTHS = group("expression")

GROWING = ("change", "identity", "recognition")
"""Losses whose weights `config.growth` changes."""


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 8
    config.total = "1500 steps"
    config.log_every = "20 steps"
    config.samples_every = "500 steps"
    config.checkpoint_every = "500 steps"
    config.samples.count = 32
    config.data.name = "avatars/64"
    config.data.size = 64
    config.data.channels = 3
    config.evaluate.every = "500 steps"
    config.evaluate.samples = 1000
    config.reading_turns = 3  # of the discriminator, on real pictures alone, a step
    config.drive = "class"  # or vector, the strength of every movement
    config.policies = ()  # of DiffAugment
    config.reading_weight = 1.0  # of the discriminator
    config.expression_weight = 0.1  # of what is read off translations
    config.cycle_weight = 10.0
    config.change_weight = 5.0
    config.identity_weight = 20.0
    config.growth = ((0, 0.0), (1500, 1.0), (3000, 2.0))  # factors of those three, by step
    config.recognition_weight = 0.5
    config.variation_weight = 0.1
    config.r1_weight = 0.1
    config.ema_decay = 0.99
    config.decay = {"begin": 1500, "end": 3000}  # of the learning rates, in steps: down to 0
    config.generator = {"width": 16, "blocks": 3, "learning_rate": 6e-4, "b1": 0.5}
    config.discriminator = {"width": 32, "learning_rate": 6e-4, "b1": 0.5}
    return choose(argument, config, long=long, smoke=smoke)


def long(config: Config) -> None:
    config.total = "3000 steps"


def smoke(config: Config) -> None:
    config.total = "8 steps"
    config.log_every = "2 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "4 steps"
    config.samples.count = 16
    config.evaluate.every = "4 steps"
    config.evaluate.samples = 64
    config.data.name = "avatars/32"
    config.data.size = 32
    config.decay = {"begin": 4, "end": 8}
    config.generator.width = 8
    config.generator.blocks = 1
    config.discriminator.width = 8


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    size, data = config.batch_size, config.data
    forms: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((data.size, data.size, data.channels), jnp.uint8),
        "parameters": ((len(NAMES),), jnp.float32),
        "expression": ((), jnp.int32),
        "intensity": ((), jnp.float32),
    }
    names = ("image", *drive_of(config).given)
    return {name: jax.ShapeDtypeStruct((size, *forms[name][0]), forms[name][1]) for name in names}


def drive_of(config: Config) -> Drive:
    """Classes with their intensity, or the strengths of all movements."""
    drives = {
        "class": graded_class_drive(EXPRESSIONS, NEUTRAL),
        "vector": strength_drive(
            [NAMES[index] for index in STRENGTHS],
            LOW[STRENGTHS],
            HIGH[STRENGTHS],
            lambda batch: batch["parameters"][:, STRENGTHS],
            "parameters",
        ),
    }
    if config.drive not in drives:
        raise UsageError(f"drive={config.drive!r}: must be {' or '.join(drives)}")
    finder = LandmarkFinder(len(LANDMARKS), dtype=compute_dtype(config))
    recogniser = IdentityRecogniser(dtype=compute_dtype(config))
    return identified(located(drives[config.drive], finder, LINES), recogniser, CHOICES)


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    names = ("reading", "expression", "cycle", "variation", "r1", *GROWING)
    drive = drive_of(config)
    return expression_recipe(
        generator=StarGANTranslator(
            config.data.channels,
            config.generator.width,
            config.generator.blocks,
            heads="mask",
            modulated=True,
            skips=True,
            mask_bound=6.0,
            upsample="resize",
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
        likeness={
            "identity": likeness_by_statistics(AvatarEncoder(dtype=dtype), "relu3_1"),
            "recognition": likeness_by_recognition(IdentityRecogniser(dtype=dtype)),
        },
        loss=losses.non_saturating,
        values={f"{name}_weight": config[f"{name}_weight"] for name in names}
        | {"ema_decay": config.ema_decay},
        schedules={
            f"{name}.learning_rate": linear_decay(config.decay.begin, config.decay.end)
            for name in ("generator", "discriminator")
        }
        | {f"{name}_weight": piecewise_linear(config.growth) for name in GROWING},
        reading_turns=config.reading_turns,
        policies=config.policies,
    )


def get_frozen(config: Config) -> dict[str, Weights]:
    return {
        "finder": find_weights("avatar_landmarks", None),
        "encoder": style_weights("avatar_encoder"),
        "recogniser": find_weights("avatar_identity", None),
    }


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    drive = drive_of(config)
    return (
        ExpressionTransfer(
            condition=drive.condition,
            inputs=drive.shown,
            classes=config.drive == "class",
            every=config.evaluate.every,
            samples=config.evaluate.samples,
        ),
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    adam = optax.inject_hyperparams(optax.adam)
    return {
        name: adam(config[name].learning_rate, b1=config[name].b1)
        for name in ("generator", "discriminator")
    }
