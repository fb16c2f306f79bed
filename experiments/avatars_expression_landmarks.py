"""Expressions on avatars at 64x64, told by landmarks: the same face, its features where they are to
be (GANnotation's way).

    gan-jax train experiments/avatars_expression_landmarks.py
    gan-jax translate runs/avatars_expression_landmarks picture.png --reference=making_a_face.png

As `avatars_expression.py`, but what the generator is told are heat-maps of 34 points. In training
each face gets the points that it would have with the expression of another avatar; what it would
truly look like is never seen. A picture of yours takes those of the reference, which the landmark
finder of the package finds.

Expected on two CPU cores beside another training: 50 minutes, after which the judge reads the right
expression off 95 % of held-out faces (13 % of copies), and 2.0 % of what makes up who it is as
another (0.3 % of the renderer's own pictures). `:long` goes on to twice the steps; `:smoke` takes
seconds.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import losses
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.avatars.landmarks import LANDMARKS, landmarks
from gan_jax.data.avatars.parameters import NAMES, group
from gan_jax.evaluators.evaluator import Evaluator
from gan_jax.evaluators.expression_transfer import ExpressionTransfer
from gan_jax.networks.landmark_finder import LandmarkFinder
from gan_jax.networks.stargan import StarGANDiscriminator, StarGANTranslator
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.recipe import Batch, Recipe
from gan_jax.recipes.expression import expression_recipe
from gan_jax.recipes.expression_drives import Drive, point_drive
from gan_jax.recipes.likeness import likeness_by_statistics
from gan_jax.schedules import linear_decay, piecewise_linear
from gan_jax.weights.store import Weights, find_weights
from gan_jax.weights.style_weights import style_weights

EXPRESSION = group("expression")
STILL = ("tongueOut", "cheekBlush", "tears", "gloom")
"""Parts of expressions that move no landmark."""
MOVEMENTS = np.array([index for index in EXPRESSION if NAMES[index] not in STILL])
ANCHORS = (
    *(
        f"eye{side}{corner}"
        for side in ("Left", "Right")
        for corner in ("InnerCorner", "OuterCorner")
    ),
    *("noseTip", "contourRight3", "contourLeft3"),
)
"""Landmarks that no expression moves, or hardly."""


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
    config.reading_weight = 1.0  # of the discriminator
    config.expression_weight = 0.1  # of what is read off translations
    config.cycle_weight = 10.0
    config.change_weight = 5.0
    config.identity_weight = 20.0
    config.growth = ((0, 0.0), (1500, 1.0), (3000, 2.0))  # factors of these two by step
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
        "landmarks": ((len(LANDMARKS), 2), jnp.float32),
        "parameters": ((len(NAMES),), jnp.float32),
    }
    names = ("image", *drive_of(config).given)
    return {name: jax.ShapeDtypeStruct((size, *forms[name][0]), forms[name][1]) for name in names}


def drive_of(config: Config) -> Drive:
    """Landmarks: those that each face would have with another's expression."""
    return point_drive(
        config.data.size,
        len(MOVEMENTS),
        lambda batch: batch["parameters"][:, MOVEMENTS],
        retarget,
        ("landmarks", "parameters"),
        finder=LandmarkFinder(len(LANDMARKS), dtype=compute_dtype(config)),
        anchors=[LANDMARKS.index(name) for name in ANCHORS],
    )


def retarget(batch: Batch, others: Batch) -> Batch:
    """Each avatar's parameters and landmarks with the expression of another, its pose its own."""
    moved = batch["parameters"].at[:, EXPRESSION].set(others["parameters"][:, EXPRESSION])
    return {"parameters": moved, "landmarks": jax.vmap(landmarks)(moved)}


def get_recipe(config: Config) -> Recipe:
    size, dtype = config.data.size, compute_dtype(config)
    names = ("reading", "expression", "cycle", "change", "identity", "variation", "r1")
    drive = drive_of(config)
    return expression_recipe(
        generator=StarGANTranslator(
            config.data.channels,
            config.generator.width,
            config.generator.blocks,
            heads="mask",
            skips=True,
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
        likeness={"identity": likeness_by_statistics(AvatarEncoder(dtype=dtype), "relu3_1")},
        loss=losses.non_saturating,
        values={f"{name}_weight": config[f"{name}_weight"] for name in names}
        | {"ema_decay": config.ema_decay},
        schedules={
            f"{name}.learning_rate": linear_decay(config.decay.begin, config.decay.end)
            for name in ("generator", "discriminator")
        }
        | {f"{name}_weight": piecewise_linear(config.growth) for name in ("change", "identity")},
        reading_turns=config.reading_turns,
    )


def get_frozen(config: Config) -> dict[str, Weights]:
    return {
        "finder": find_weights("avatar_landmarks", None),
        "encoder": style_weights("avatar_encoder"),
    }


def get_evaluators(config: Config) -> tuple[Evaluator, ...]:
    drive = drive_of(config)
    return (
        ExpressionTransfer(
            condition=drive.condition,
            inputs=drive.shown,
            classes=False,
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
