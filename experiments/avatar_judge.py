"""The avatar judge: a network that reads parameters, expression, identity, style and landmarks off
a picture, for FD-avatar, modes covered and the errors of generated avatars.

    gan-jax train experiments/avatar_judge.py

Expected on two CPU cores: about 20 minutes, of which one draws 32,000 avatars. Of the 11,000
pictures of avatars/64 it then reads 99.7 % of the expressions, 99.3 % of the front hair styles and
99.9 % of the drawing styles right, and landmarks to 1.7 % of the distance between the eyes. It was
trained on none of them: it draws its own, from another seed. Face and eye shapes move the outline
by less than a pixel, and are hardly read.

The weights in the package are the average of this run's, measured and put there by

    python benchmarks/avatar_judge_card.py runs/avatar_judge

`:smoke` takes seconds, on few pictures, besides about a minute once for compiling.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from gan_jax import schedules
from gan_jax.config import Config, base_config, choose
from gan_jax.data.avatars.generation import CHUNK, THREADS, draw_avatars
from gan_jax.data.avatars.parameters import FACTOR_NAMES, shares
from gan_jax.data.avatars.version import RENDERER_VERSION
from gan_jax.data.geometry import composite
from gan_jax.data.source import ArraySource
from gan_jax.networks.features.avatar_judge import SIZE, SPREAD, AvatarJudge, Readings
from gan_jax.recipe import Batch, Recipe
from gan_jax.recipes.supervised import supervised_recipe

WHITE = (255, 255, 255)


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 32
    config.total = "6000 steps"
    config.samples_every = "6000 steps"
    config.checkpoint_every = "500 steps"
    config.data.name = "avatars/64"
    config.data.size = SIZE
    config.pictures = 32_000
    config.drawing_seed = 1  # that of avatars/64 is 2024
    config.ema_decay = 0.998
    config.judge = {"learning_rate": 3e-3, "decay_steps": 6000, "weight_decay": 0.05}
    config.weights = {"expression": 1.0, "factors": 1.0, "parameters": 0.2, "landmarks": 200.0}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 8
    config.total = "4 steps"
    config.log_every = "1 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "2 steps"
    config.pictures = 16


def get_dataset(config: Config) -> ArraySource:
    """Avatars of a seed of their own, drawn now, in about a minute; the i-th is always the same."""
    count, seed = config.pictures, config.drawing_seed
    chunk = min(CHUNK, count)
    draw = partial(drawn, seed=seed, count=chunk)
    with ThreadPoolExecutor(THREADS) as pool:
        parts = [draw(0), *pool.map(draw, range(chunk, count, chunk))]  # the first compiles
    arrays = {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}
    text = f"avatar judge {RENDERER_VERSION} seed={seed} count={count}"
    return ArraySource(arrays, hashlib.sha256(text.encode()).hexdigest(), None, None)


def drawn(start: int, *, seed: int, count: int) -> dict[str, np.ndarray]:
    """Pictures on white with what there is to read off them."""
    avatar = draw_avatars(seed, 0, start, count, SIZE)
    parameters = jnp.concatenate([shares(avatar.parameters), avatar.intensity[:, None]], axis=-1)
    return {
        "image": np.stack([composite(image, WHITE) for image in np.asarray(avatar.image)]),
        "expression": np.asarray(avatar.expression),
        "factors": np.asarray(avatar.identity),
        "parameters": np.asarray(parameters),
        "landmarks": np.asarray(avatar.landmarks),
    }


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    judge = AvatarJudge()
    forms: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((SIZE, SIZE, 3), jnp.uint8),
        "expression": ((), jnp.int32),
        "factors": ((len(judge.factors),), jnp.int32),
        "parameters": ((judge.parameters,), jnp.float32),
        "landmarks": ((judge.landmarks, 2), jnp.float32),
    }
    size = config.batch_size
    return {
        name: jax.ShapeDtypeStruct((size, *shape), dtype) for name, (shape, dtype) in forms.items()
    }


def get_recipe(config: Config) -> Recipe:
    return supervised_recipe(
        name="judge",
        network=AvatarJudge(),
        inputs=("image",),
        losses=losses,
        measures=measures,
        augmentation=augmented,
        values={
            "ema_decay": config.ema_decay,
            **{f"{name}_weight": weight for name, weight in config.weights.items()},
        },
        schedules={"judge.learning_rate": schedules.cosine(config.judge.decay_steps, 0.0)},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    settings = config.judge
    adamw = optax.inject_hyperparams(optax.adamw, static_args=("weight_decay",))
    return {"judge": adamw(settings.learning_rate, weight_decay=settings.weight_decay)}


def losses(readings: Readings, batch: Batch) -> dict[str, Array]:
    """`[B]` each: cross entropies, Huber losses of the parameters in units of their spread, mean
    distance of the points.

    Of a ruined picture nothing is known: every choice is to be equally likely.
    """
    known = batch["known"]
    expression, *factors = (
        known * optax.softmax_cross_entropy_with_integer_labels(logits, truth)
        - (1 - known) * jnp.mean(jax.nn.log_softmax(logits), axis=-1)
        for logits, truth in choices(readings, batch).values()
    )
    differences = readings.parameters - batch["parameters"]
    offsets = readings.landmarks - batch["landmarks"]
    distances = jnp.sqrt(jnp.sum(offsets**2, axis=-1) + 1e-8)
    return {
        "expression": expression,
        "factors": jnp.sum(jnp.stack(factors), axis=0),
        "parameters": known * jnp.sum(optax.huber_loss(differences / SPREAD), axis=-1),
        "landmarks": known * jnp.mean(distances, axis=-1),
    }


def measures(readings: Readings, batch: Batch) -> dict[str, Array]:
    """Shares read right of the pictures that are not ruined."""
    known = batch["known"]

    def accuracy(logits: Array, truth: Array) -> Array:
        right = (jnp.argmax(logits, axis=-1) == truth).astype(jnp.float32)
        return jnp.sum(known * right) / jnp.maximum(jnp.sum(known), 1.0)

    shares_right = {name: accuracy(*pair) for name, pair in choices(readings, batch).items()}
    names = ("expression", "hairFront", "style")
    return {f"{name}_accuracy": shares_right[name] for name in names} | {
        "factors_accuracy": jnp.mean(jnp.stack([shares_right[name] for name in FACTOR_NAMES]))
    }


def choices(readings: Readings, batch: Batch) -> dict[str, tuple[Array, Array]]:
    """By name, first the expression: logits `[B, choices]` and the right one `[B]`."""
    factors = zip(FACTOR_NAMES, batch["factors"].T, strict=True)
    return {"expression": (readings.expression, batch["expression"])} | {
        name: (readings.factors[name], truth) for name, truth in factors
    }


def augmented(key: Array, batch: Batch) -> Batch:
    """Pictures moved, blurred, toned, overlaid with noise of three grains, covered and compressed,
    each more or less; landmarks move along. Every tenth is ruined, which `known` `[B]` says.

    The rest is mild enough that labels stay true: colours are what palettes are read by. Nothing
    is mirrored, for no mirrored hair is ever drawn.
    """
    keys = jax.random.split(key, 6)
    count = len(batch["image"])
    known = jax.random.bernoulli(keys[0], 0.9, (count, 1, 1, 1))
    image, landmarks = moved(keys[1], batch["image"], batch["landmarks"])
    image = jnp.where(known, toned(keys[2], image), shuffled(keys[2], image))
    for grain in (8, 16, SIZE):
        noise_key = jax.random.fold_in(keys[3], grain)
        most = jnp.where(known, 0.12, 1.0)
        image = image + most * amount(noise_key, count) * noise(noise_key, count, grain)
    image = jnp.clip(compressed(keys[4], covered(keys[5], image)), -1.0, 1.0)
    known = known[:, 0, 0, 0].astype(jnp.float32)
    return {**batch, "image": image, "landmarks": landmarks, "known": known}


def amount(key: Array, count: int) -> Array:
    """`[count, 1, 1, 1]` in [0, 1], most of them small, so that some pictures stay clean."""
    return jax.random.uniform(key, (count, 1, 1, 1)) ** 2


def shuffled(key: Array, image: Array) -> Array:
    """Tiles of 16 pixels in another order, half of the pictures blank: under strong noise no
    avatars, so that the judge is sure of nothing where there is nothing to read."""
    keys = jax.random.split(key, 2)
    count = len(image)
    tiles = image.reshape(count, 4, 16, 4, 16, 3).swapaxes(2, 3).reshape(count, 16, 16, 16, 3)
    tiles = jax.random.permutation(keys[0], tiles, axis=1).reshape(count, 4, 4, 16, 16, 3)
    visible = jax.random.bernoulli(keys[1], 0.5, (count, 1, 1, 1))
    return visible * tiles.swapaxes(2, 3).reshape(image.shape)


def moved(key: Array, image: Array, landmarks: Array) -> tuple[Array, Array]:
    """Shifted by up to 2 pixels, scaled by up to 2 %, blurred by a Gaussian of 0.3 to 1 pixel."""
    keys = jax.random.split(key, 3)
    count = len(image)
    shift = jax.random.uniform(keys[0], (count, 2), minval=-2 / SIZE, maxval=2 / SIZE)
    scale = jax.random.uniform(keys[1], (count, 1), minval=0.98, maxval=1.02)
    width = 0.3 + 0.7 * amount(keys[2], count)[:, 0]
    centres = (jnp.arange(SIZE) + 0.5) / SIZE

    def weights(axis: int) -> Array:
        """`[B, to, from]`; rows sum to 1, so that the edge is carried on outwards."""
        source = (centres - 0.5) * scale + 0.5 + shift[:, axis, None]
        distance = (source[:, :, None] - centres) * SIZE / width
        return jax.nn.softmax(-0.5 * distance**2, axis=-1)

    image = jnp.einsum("byj,bjxc->byxc", weights(1), image)
    image = jnp.einsum("bxi,byic->byxc", weights(0), image)
    return image, (landmarks - 0.5 - shift[:, None]) / scale[:, None] + 0.5


def toned(key: Array, image: Array) -> Array:
    """Contrast within 5 %, each channel brighter or darker by up to 2 % of the range."""
    keys = jax.random.split(key, 2)
    contrast = jax.random.uniform(keys[0], (len(image), 1, 1, 1), minval=0.95, maxval=1.05)
    channels = jax.random.uniform(keys[1], (len(image), 1, 1, 3), minval=-0.04, maxval=0.04)
    return image * contrast + channels


def noise(key: Array, count: int, grain: int) -> Array:
    """`[count, SIZE, SIZE, 3]`: N(0, 1) on a grid of `grain` cells a side, enlarged bilinearly."""
    cells = jax.random.normal(jax.random.fold_in(key, 1), (count, grain, grain, 3))
    if grain == SIZE:
        return cells
    enlarge = jax.image.resize(jnp.eye(grain), (SIZE, grain), "linear")
    return jnp.einsum("yj,xi,bjic->byxc", enlarge, enlarge, cells)


def covered(key: Array, image: Array) -> Array:
    """A third of the pictures with one rectangle of up to 12 pixels in one colour."""
    keys = jax.random.split(key, 4)
    count = len(image)
    start = jax.random.uniform(keys[0], (count, 2), maxval=SIZE)
    length = jax.random.uniform(keys[1], (count, 2), maxval=12.0)
    length = length * jax.random.bernoulli(keys[2], 1 / 3, (count, 1))
    position = jnp.arange(SIZE)
    after = position - start[..., None]
    inside = (after >= 0) & (after < length[..., None])
    colour = jax.random.uniform(keys[3], (count, 1, 1, 3), minval=-1.0)
    return jnp.where((inside[:, 0, :, None] & inside[:, 1, None])[..., None], colour, image)


def compressed(key: Array, image: Array) -> Array:
    """Blocks of 8x8 in the cosine basis, rounded to steps that grow with the frequency (the loss
    of a JPEG file)."""
    k, n = np.arange(8)[:, None], np.arange(8)
    basis = np.where(k == 0, 0.5, np.sqrt(0.5)) * np.cos(np.pi * (2 * n + 1) * k / 16) / np.sqrt(2)
    steps = 0.1 * (1.0 + k + n) * amount(key, len(image))[:, 0]
    blocks = image.reshape(-1, 8, 8, 8, 8, 3)
    waves = jnp.einsum("ky,lx,biyjxc->bijckl", basis, basis, blocks)
    steps = jnp.maximum(steps, 1e-3)[:, None, None, None]
    waves = jnp.round(waves / steps) * steps
    return jnp.einsum("ky,lx,bijckl->biyjxc", basis, basis, waves).reshape(image.shape)
