"""Perceptual path length (Karras et al. 2019): how much a picture changes, to the eye, for a small
step of the latent."""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gan_jax.errors import UsageError
from gan_jax.evaluators.evaluator import Evaluation, Measure, World
from gan_jax.evaluators.generated import BLOCK, Sampling, Subject
from gan_jax.evaluators.lpips import LPIPS_NEEDS, find_lpips, lpips, warnings_of
from gan_jax.evaluators.samples import sampling_nets
from gan_jax.metrics.perceptual import lerp, perceptual_path_length, slerp
from gan_jax.recipe import Batch, Nets, PyTree, Recipe

LARGEST = 256
"""Pixels a side that LPIPS sees at most: larger pictures are averaged down, as in StyleGAN."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PathLength:
    """The mean of LPIPS(G(z(t)), G(z(t + epsilon))) / epsilon^2 over pairs of latents, without the
    least and the greatest 1 %. Pictures stay floats: uint8 would drown the step in rounding.

    Attributes:
        samples: pairs.
        path: "full" draws t in [0, 1] for each pair, "end" takes t = 0.
        space: "z", along the sphere, or "w", straight between a generator's styles.
        epsilon: the step of t.
    """

    name: str = "path_length"
    every: str = ""
    samples: int = 10_000
    path: Literal["full", "end"] = "end"
    space: Literal["z", "w"] = "z"
    epsilon: float = 1e-4
    seed: int = 0
    ema: bool = True
    metrics: tuple[str, ...] = ("ppl",)
    needs = LPIPS_NEEDS

    def open(self, world: World) -> Measure:
        if self.path not in ("full", "end"):
            raise UsageError(f"{self.name}: path {self.path!r} must be full or end")
        generated = world.generator()
        recipe = world.recipe
        variables, about = find_lpips()
        if self.space not in ("z", "w"):
            raise UsageError(f"{self.name}: space {self.space!r} must be z or w")
        moved = between_styles if self.space == "w" else between_latents
        if self.space == "w" and recipe.styles is None:
            raise UsageError(f"{self.name}: this generator has no w: set space to z")

        @functools.partial(jax.jit, static_argnums=8)
        def distances(eye, nets, frozen, latents, others, batch, t, key, ema: bool) -> Array:
            def at(position: Array) -> Array:
                view = sampling_nets(recipe, nets, frozen, key, ema)  # the same noise for both
                return shrunk(as_rgb(moved(recipe, view, latents, others, batch, position)))

            return lpips(eye, at(t), at(t + self.epsilon))

        def measure(subject: Subject, seed: int) -> Evaluation:
            drawn = Sampling(samples=self.samples, seed=seed, ema=self.ema)
            latents, batch, key = generated.inputs(2 * self.samples, seed)
            rows = jax.tree.leaves(latents)[0].shape[0] // 2
            t = np.random.default_rng(seed).random(rows, np.float32)
            t = np.zeros_like(t) if self.path == "end" else t
            found = []
            with world.progress("perceptual path length") as advance:
                for start in range(0, self.samples, BLOCK):
                    here = np.minimum(np.arange(start, start + BLOCK), rows - 1)
                    a, b, labels = (
                        jax.tree.map(lambda leaf, at=at: jnp.asarray(leaf)[at], tree)
                        for tree, at in ((latents, here), (latents, here + rows), (batch, here))
                    )
                    given = (subject.nets, subject.frozen, a, b, labels, t[here], key)
                    found.append(np.asarray(distances(variables, *given, self.ema)))
                    advance(min(start + BLOCK, self.samples), self.samples)
            every = np.concatenate(found)[: self.samples]
            value = perceptual_path_length(every, epsilon=self.epsilon)
            return Evaluation(
                metrics={"ppl": {"value": value}},
                protocol={**about, "space": self.space, "path": self.path, "epsilon": self.epsilon},
                sampling=generated.describe(drawn),
                warnings=warnings_of(about),
            )

        return measure


def between_latents(
    recipe: Recipe, nets: Nets, a: PyTree, b: PyTree, batch: Batch, t: Array
) -> Array:
    """Pictures at t `[B]` between latents a and b."""
    assert recipe.generate is not None
    latents = jax.tree.map(lambda a, b: along(a, b, t), a, b)
    return recipe.generate(nets, latents, batch, jnp.ones(()))


def between_styles(
    recipe: Recipe, nets: Nets, a: PyTree, b: PyTree, batch: Batch, t: Array
) -> Array:
    """Pictures at t `[B]` between the styles of latents a and b."""
    assert recipe.styles is not None and recipe.synthesise is not None
    start, end = (recipe.styles(nets, latents, batch) for latents in (a, b))
    return recipe.synthesise(nets, lerp(start, end, t[:, None, None]))


def along(a: Array, b: Array, t: Array) -> Array:
    """From `[B, D]` at t = 0 to b at 1: the direction along the great circle, the length in a
    straight line, as normal latents of any network go (StyleGAN's own are brought to one length
    by the network itself)."""
    t = t[:, None]
    from_a, to_b = (jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    return slerp(a, b, t) * lerp(from_a, to_b, t)


def as_rgb(images: Array) -> Array:
    """Grey repeated, alpha dropped: `[B, H, W, 3]`."""
    colour = images[..., :3] if images.shape[-1] >= 3 else images[..., :1]
    return jnp.broadcast_to(colour, (*colour.shape[:-1], 3))


def shrunk(images: Array) -> Array:
    """Averaged over squares to at most `LARGEST` pixels a side."""
    factor = images.shape[1] // LARGEST
    if factor < 2:
        return images
    window = (1, factor, factor, 1)
    return lax.reduce_window(images, 0.0, lax.add, window, window, "VALID") / factor**2
