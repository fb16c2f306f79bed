"""The landmark finder: a network that finds drawn faces in pictures of any size, by 34 landmarks.

    gan-jax train experiments/avatar_landmarks.py

It learns on avatars that are turned, scaled, recoloured and laid over all kinds of backgrounds; a
quarter of what it sees are backgrounds without a face, in which it is to find nothing.

Expected on two CPU cores: about 15 minutes. Of 300 avatars of the test split, turned and put into
pictures of 256 to 512 pixels, 99.3 % are then found, their landmarks to 4.1 % of the distance
between the outer eye corners; in 100 pieces each of a photograph, digits and noise none is.

The weights in the package are the average of this run's, measured and put there by

    python benchmarks/avatar_landmarks_card.py runs/avatar_landmarks

`:smoke` takes seconds, on few steps.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.scipy.ndimage import map_coordinates
from PIL import Image
from sklearn.datasets import load_sample_image

from gan_jax import schedules
from gan_jax.config import Config, base_config, choose, compute_dtype
from gan_jax.data.avatars import open_avatars, prepare
from gan_jax.data.avatars.landmarks import LANDMARKS
from gan_jax.data.source import ArraySource
from gan_jax.faces.face import MIRRORED
from gan_jax.heat_maps import heat_maps
from gan_jax.networks.landmark_finder import (
    SIZE,
    STRIDE,
    LandmarkFinder,
    confidence,
    soft_argmax,
)
from gan_jax.ops.pixels import to_float
from gan_jax.recipe import Batch, Recipe
from gan_jax.recipes.supervised import supervised_recipe

CELLS = SIZE // STRIDE
FACE_CENTRE = (0.5, 0.58)
"""Of an avatar, in shares of its picture."""
OUTER_CORNERS = LANDMARKS.index("eyeRightOuterCorner"), LANDMARKS.index("eyeLeftOuterCorner")
GRAINS = (2, 4, 8, 16, 32)
SHAPES = 6


def get_config(argument: str = "") -> Config:
    config = base_config()
    config.batch_size = 32
    config.total = "2000 steps"
    config.log_every = "50 steps"
    config.samples_every = "2000 steps"
    config.checkpoint_every = "400 steps"
    config.data.name = "avatars/64"
    config.data.size = 64
    config.ema_decay = 0.998
    config.finder = {"learning_rate": 3e-3, "decay_steps": 2000, "weight_decay": 0.05}
    config.weights = {"heat": 1.0, "points": 30.0}
    return choose(argument, config, smoke=smoke)


def smoke(config: Config) -> None:
    config.batch_size = 4
    config.total = "4 steps"
    config.log_every = "1 steps"
    config.samples_every = "4 steps"
    config.checkpoint_every = "2 steps"
    config.data.name = "avatars/32"
    config.data.size = 32


def get_dataset(config: Config) -> ArraySource:
    """The training avatars, colours and alpha apart."""
    prepare(config.data.size)
    source = open_avatars(config.data.size, "train")
    avatars = source.load_all()
    arrays = {
        "image": avatars["image"][..., :3],
        "alpha": avatars["image"][..., 3:],
        "landmarks": avatars["landmarks"],
    }
    return ArraySource(arrays, source.fingerprint, None, None)


def get_batch_spec(config: Config) -> dict[str, jax.ShapeDtypeStruct]:
    size, side = config.batch_size, config.data.size
    forms: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((side, side, 3), jnp.uint8),
        "alpha": ((side, side, 1), jnp.uint8),
        "landmarks": ((len(LANDMARKS), 2), jnp.float32),
    }
    return {
        name: jax.ShapeDtypeStruct((size, *shape), dtype) for name, (shape, dtype) in forms.items()
    }


def get_recipe(config: Config) -> Recipe:
    return supervised_recipe(
        name="finder",
        network=LandmarkFinder(len(LANDMARKS), dtype=compute_dtype(config)),
        inputs=("image",),
        losses=losses,
        measures=measures,
        augmentation=augmented,
        values={
            "ema_decay": config.ema_decay,
            **{f"{name}_weight": weight for name, weight in config.weights.items()},
        },
        schedules={"finder.learning_rate": schedules.cosine(config.finder.decay_steps, 0.0)},
    )


def get_optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    settings = config.finder
    adamw = optax.inject_hyperparams(optax.adamw, static_args=("weight_decay",))
    return {"finder": adamw(settings.learning_rate, weight_decay=settings.weight_decay)}


def losses(logits: Array, batch: Batch) -> dict[str, Array]:
    """`[B]` each: the cross entropy of the maps with a Gaussian of one cell about each landmark, or
    with nothing where there is no face; and the mean distance of the points in the picture."""
    known, points = batch["known"], batch["landmarks"]
    heat = known[:, None, None, None] * (1 + heat_maps(points, CELLS, 1.0)) / 2
    entropies = jnp.sum(optax.sigmoid_binary_cross_entropy(logits, heat), axis=(1, 2))
    inside = known[:, None] * jnp.all((points > 0) & (points < 1), axis=-1)
    return {
        "heat": jnp.mean(entropies, axis=-1),
        "points": jnp.mean(inside * distances(logits, points), axis=-1),
    }


def measures(logits: Array, batch: Batch) -> dict[str, Array]:
    """The points' error in distances between the outer eye corners, and how sure it is of faces and
    of pictures without one."""
    known, points = batch["known"], batch["landmarks"]
    right, left = OUTER_CORNERS
    between = jnp.linalg.norm(points[:, right] - points[:, left], axis=-1)
    error = jnp.mean(distances(logits, points), axis=-1) / between
    sure, faces = confidence(logits), jnp.maximum(jnp.sum(known), 1.0)
    empty = jnp.maximum(jnp.sum(1 - known), 1.0)
    return {
        "error": jnp.sum(known * error) / faces,
        "confidence": jnp.sum(known * sure) / faces,
        "confidence_empty": jnp.sum((1 - known) * sure) / empty,
    }


def distances(logits: Array, points: Array) -> Array:
    """`[B, L]`, in shares of the picture."""
    return jnp.sqrt(jnp.sum((soft_argmax(logits) - points) ** 2, axis=-1) + 1e-8)


def augmented(key: Array, batch: Batch) -> Batch:
    """Avatars of other sizes, places and angles over backgrounds, in other colours, blurred, with
    noise; a quarter of them are not there, which `known` `[B]` says."""
    keys = jax.random.split(key, 6)
    count = len(batch["image"])
    known = jax.random.bernoulli(keys[0], 0.75, (count,)).astype(jnp.float32)
    colour, alpha, landmarks = placed(keys[1], batch)
    ground = backgrounds(keys[2], batch)
    image = colour + (1 - alpha) * ground
    image = jnp.where(known[:, None, None, None] > 0, image, ground)
    image = noisy(keys[5], blurred(keys[4], recoloured(keys[3], image)))
    return {"image": image, "landmarks": landmarks, "known": known}


def placed(key: Array, batch: Batch) -> tuple[Array, Array, Array]:
    """Avatars turned by up to 20 degrees, at 0.5 to 1.2 times the window, half of them mirrored:
    colours in [-1, 1] times alpha `[B, SIZE, SIZE, 3]`, alpha `[…, 1]`, landmarks."""
    keys = jax.random.split(key, 4)
    image, points = batch["image"], batch["landmarks"]
    count, side = len(image), image.shape[1]
    alpha = (batch["alpha"] + 1) / 2
    source = jnp.concatenate([image * alpha, alpha], axis=-1)
    angle = jax.random.uniform(keys[0], (count,), minval=-1.0) * jnp.deg2rad(20.0)
    scale = jnp.exp(jax.random.uniform(keys[1], (count,), minval=np.log(0.5), maxval=np.log(1.2)))
    free = jnp.maximum(0.55 - 0.3 * scale, 0.1)[:, None]
    centre = 0.5 + free * jax.random.uniform(keys[2], (count, 2), minval=-1.0)
    mirror = jnp.where(jax.random.bernoulli(keys[3], 0.5, (count,)), -1.0, 1.0)

    cosine, sine = jnp.cos(angle) * scale, jnp.sin(angle) * scale
    turn = jnp.stack([jnp.stack([cosine, -sine], -1), jnp.stack([sine, cosine], -1)], axis=-2)
    turn = turn * jnp.stack([mirror, jnp.ones(count)], axis=-1)[:, None]  # [B, to, from]
    middle = jnp.array(FACE_CENTRE)
    points = jnp.einsum("bij,blj->bli", turn, points - middle) + centre[:, None]
    points = jnp.where(mirror[:, None, None] < 0, points[:, np.array(MIRRORED)], points)

    cells = (jnp.arange(SIZE) + 0.5) / SIZE
    pixels = jnp.stack(jnp.meshgrid(cells, cells, indexing="xy"), axis=-1)  # [y, x, (x, y)]
    back = jnp.einsum("bij,byxj->byxi", jnp.linalg.inv(turn), pixels - centre[:, None, None])
    back = (back + middle) * side - 0.5

    def sample(picture: Array, at: Array) -> Array:
        each = [map_coordinates(picture[..., c], [at[..., 1], at[..., 0]], 1) for c in range(4)]
        return jnp.stack(each, axis=-1)

    found = jax.vmap(sample)(source, back)
    return found[..., :3], found[..., 3:], points


def backgrounds(key: Array, batch: Batch) -> Array:
    """`[B, SIZE, SIZE, 3]` without a face: one colour, noise of several grains, shapes, parts of a
    photograph, tiles of avatars in another order."""
    keys = jax.random.split(key, 6)
    count = len(batch["image"])
    plain = jax.random.uniform(keys[0], (count, 1, 1, 3), minval=-1.0)
    plain = jnp.where(jax.random.bernoulli(keys[1], 0.3, (count, 1, 1, 1)), 1.0, plain)
    plain = jnp.broadcast_to(plain, (count, SIZE, SIZE, 3))
    grounds = jnp.stack(
        [
            plain,
            clouds(keys[2], plain),
            shapes(keys[3], plain),
            photographs(keys[4], count),
            shuffled(keys[5], batch),
        ]
    )
    which = jax.random.randint(jax.random.fold_in(key, 1), (count,), 0, len(grounds))
    return grounds[which, jnp.arange(count)]


def clouds(key: Array, plain: Array) -> Array:
    """One colour with noise of one grain, smooth or in squares."""
    keys = jax.random.split(key, 3 + len(GRAINS))
    count = len(plain)
    kinds = []
    for grain, grain_key in zip(GRAINS, keys[3:], strict=True):
        cells = jax.random.normal(grain_key, (count, grain, grain, 3))
        smooth = jax.image.resize(cells, plain.shape, "linear")
        kinds += [smooth, cells.repeat(SIZE // grain, axis=1).repeat(SIZE // grain, axis=2)]
    which = jax.random.randint(keys[0], (count,), 0, len(kinds))
    strength = jax.random.uniform(keys[1], (count, 1, 1, 1), maxval=0.8)
    return jnp.clip(plain + strength * jnp.stack(kinds)[which, jnp.arange(count)], -1.0, 1.0)


def shapes(key: Array, plain: Array) -> Array:
    """One colour with rectangles and ellipses."""
    count = len(plain)
    position = (jnp.arange(SIZE) + 0.5) / SIZE
    for shape_key in jax.random.split(key, SHAPES):
        keys = jax.random.split(shape_key, 4)
        centre = jax.random.uniform(keys[0], (count, 2))
        radius = jax.random.uniform(keys[1], (count, 2), minval=0.02, maxval=0.35)
        x, y = (
            jnp.abs(position - centre[:, axis, None]) / radius[:, axis, None] for axis in (0, 1)
        )
        x, y = x[:, None, :], y[:, :, None]
        is_round = jax.random.bernoulli(keys[2], 0.6, (count, 1, 1))
        inside = jnp.where(is_round, x**2 + y**2, jnp.maximum(x, y)) < 1
        colour = jax.random.uniform(keys[3], (count, 1, 1, 3), minval=-1.0)
        plain = jnp.where(inside[..., None], colour, plain)
    return plain


def photographs(key: Array, count: int) -> Array:
    """Windows of a photograph of a temple among trees, at three sizes."""
    whole = Image.fromarray(load_sample_image("china.jpg"))
    keys = jax.random.split(key, 2)
    sizes = [to_float(jnp.asarray(whole.reduce(shrink))) for shrink in (1, 2, 4)]

    def window(key: Array, picture: Array) -> Array:
        room = jnp.array([side - SIZE for side in picture.shape[:2]])
        start = jnp.floor(jax.random.uniform(key, (2,)) * room).astype(jnp.int32)
        return jax.lax.dynamic_slice(picture, (start[0], start[1], 0), (SIZE, SIZE, 3))

    each = jax.random.split(keys[0], count)
    windows = jnp.stack([jax.vmap(window, (0, None))(each, picture) for picture in sizes])
    which = jax.random.randint(keys[1], (count,), 0, len(sizes))
    return windows[which, jnp.arange(count)]


def shuffled(key: Array, batch: Batch) -> Array:
    """Avatars on white in tiles of a quarter, each put elsewhere: eyes and mouths, but no face."""
    alpha = (batch["alpha"] + 1) / 2
    image = batch["image"] * alpha + 1 - alpha
    image = jax.image.resize(image, (len(image), SIZE, SIZE, 3), "linear")
    count, side = len(image), SIZE // 4
    tiles = image.reshape(count, 4, side, 4, side, 3).swapaxes(2, 3).reshape(count, 16, -1)
    each = jax.random.split(key, count)
    tiles = jax.vmap(jax.random.permutation)(each, tiles)
    tiles = tiles.reshape(count, 4, 4, side, side, 3).swapaxes(2, 3)
    return tiles.reshape(count, SIZE, SIZE, 3)


def recoloured(key: Array, image: Array) -> Array:
    """Colours turned about the grey axis in half of the pictures, more or less of them, and more or
    less contrast and light."""
    keys = jax.random.split(key, 5)
    count = len(image)
    shape = (count, 1, 1, 1)
    angle = jax.random.uniform(keys[0], (count,), minval=-np.pi, maxval=np.pi)
    angle = angle * jax.random.bernoulli(keys[1], 0.5, (count,))
    grey = jnp.mean(image, axis=-1, keepdims=True)
    # Of a colour without its grey, which is at right angles to (1, 1, 1): Rodrigues' rotation.
    rest = image - grey
    across = (jnp.roll(rest, 1, axis=-1) - jnp.roll(rest, -1, axis=-1)) / np.sqrt(3)
    cosine, sine = (f(angle)[:, None, None, None] for f in (jnp.cos, jnp.sin))
    amount = jnp.clip(jax.random.uniform(keys[2], shape, minval=-0.2, maxval=1.3), 0.0, None)
    image = grey + amount * (cosine * rest + sine * across)
    contrast = jax.random.uniform(keys[3], shape, minval=0.6, maxval=1.2)
    light = jax.random.uniform(keys[4], shape, minval=-0.3, maxval=0.3)
    return jnp.clip(contrast * image + light, -1.0, 1.0)


def blurred(key: Array, image: Array) -> Array:
    """More or less of the mean of each pixel's neighbours."""
    amount = jax.random.uniform(key, (len(image), 1, 1, 1)) ** 2
    wide = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]) / 3
    return image + amount * ((rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 3 - image)


def noisy(key: Array, image: Array) -> Array:
    """Gaussian noise of a deviation of up to 0.15, mostly little."""
    keys = jax.random.split(key, 2)
    amount = 0.15 * jax.random.uniform(keys[0], (len(image), 1, 1, 1)) ** 2
    return jnp.clip(image + amount * jax.random.normal(keys[1], image.shape), -1.0, 1.0)
