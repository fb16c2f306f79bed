"""A world small enough for every evaluator: 16-pixel pictures of one colour and a brightness."""

from __future__ import annotations

import contextlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.evaluators import pictures
from gan_jax.evaluators.evaluator import World
from gan_jax.evaluators.generated import Generated, Subject
from gan_jax.evaluators.perceptual import Perceptual
from gan_jax.mesh import make_mesh
from gan_jax.recipe import Phase, Recipe
from gan_jax.state import NetState

SIZE = 16


class Colours(nn.Module):
    """z [B, 3] -> pictures of the colour tanh(scale z)."""

    @nn.compact
    def __call__(self, z, label, *, train):
        scale = self.param("scale", nn.initializers.ones, (3,))
        colour = jnp.tanh(scale * z)[:, None, None, :]
        return jnp.broadcast_to(colour, (len(z), SIZE, SIZE, 3))


class Brightness(nn.Module):
    """Real is what is brighter than grey."""

    @nn.compact
    def __call__(self, images, label, *, train):
        weight = self.param("weight", nn.initializers.ones, ())
        return weight * images.mean(axis=(1, 2, 3))


def recipe() -> Recipe:
    def loss(nets, extra, batch, key, values):
        raise AssertionError("never trained")

    return Recipe(
        networks={"generator": Colours(), "discriminator": Brightness()},
        phases=(Phase(name="generator", trains=("generator",), loss=loss),),
        inputs=lambda batch: {},
        latents=lambda key, batch: jax.random.normal(key, (len(batch["label"]), 3)),
        generate=lambda nets, z, batch, t: nets("generator", z * t, batch["label"])[0],
        discriminate=lambda nets, batch: nets("discriminator", batch["image"], batch["label"])[0],
    )


def subject(scale: float = 1.0) -> Subject:
    generator = NetState({"scale": jnp.full(3, scale)}, {}, (), None)
    discriminator = NetState({"weight": jnp.ones(())}, {}, (), None)
    return Subject(1, {"generator": generator, "discriminator": discriminator}, {})


def images(split: str, count: int) -> np.ndarray:
    """Of the same distribution; `test` ones of another seed."""
    z = np.random.default_rng(len(split)).normal(size=(count, 3))
    colour = np.round((np.tanh(z) + 1) * 127.5).astype(np.uint8)[:, None, None, :]
    return np.broadcast_to(colour, (count, SIZE, SIZE, 3)).copy()


def reals(split: str, count: int = 200) -> pictures.Pictures:
    """That many `images`."""
    return pictures.of_array(split, images(split, count))


@contextlib.contextmanager
def quiet(what: str):
    yield lambda *progress: None


def world(devices: int = 1, opened=reals, is_avatars: bool = False, batch: int = 32) -> World:
    mesh = make_mesh(devices)
    return World(
        recipe=recipe(),
        mesh=mesh,
        num_classes=0,
        attributes=(),
        conditions={},
        forms={"image": jax.ShapeDtypeStruct((4, SIZE, SIZE, 3), jnp.uint8)},
        split="train",
        generated=Generated(recipe(), mesh, 0),
        reals=opened,
        is_avatars=is_avatars,
        cache=None,
        batch=batch,
        progress=quiet,
    )


def perceptual() -> Perceptual:
    """Stands in for that of the encoder: the largest difference of two levels, of a range of 1."""

    def distance(a, b):
        return np.abs(a.astype(float) - b).max(axis=(1, 2, 3)) / 255

    return Perceptual({"network": "levels"}, distance)


def measure(evaluator, scale: float = 1.0, seed: int = 0, **settings) -> dict[str, float]:
    found = evaluator.open(world(**settings))(subject(scale), seed)
    assert tuple(name for name in evaluator.metrics if name not in found.metrics) == ()
    return {name: metric["value"] for name, metric in found.metrics.items()}
