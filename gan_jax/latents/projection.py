"""Projection: the latents of given pictures, by gradient descent (Karras et al. 2020, appendix D).

Adam moves the point; noise on it, which fades over the first three quarters, keeps it from the
nearest hollow; the learning rate ramps up over the first twentieth and down over the last quarter.
Where the generator has noise planes, they are unknowns too, kept from drawing the picture
themselves by a penalty on neighbours that agree, and brought to mean 0 and variance 1 every step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.latents.distances import Distance
from gan_jax.latents.noise_planes import neighbour_correlation, normalised, with_planes
from gan_jax.latents.spaces import Space
from gan_jax.recipe import PyTree

ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Of a projection; the defaults are the paper's but for the steps, which are 1000 there.

    Attributes:
        steps: of Adam.
        learning_rate: at its height.
        initial_noise: deviation of the noise on the point, of the space's deviation.
        noise_ramp: the share of the steps over which that fades, quadratically.
        ramp_up, ramp_down: shares over which the learning rate rises (linearly) and falls
            (by a cosine).
        correlation_weight: of the noise planes' penalty.
    """

    steps: int = 500
    learning_rate: float = 0.1
    initial_noise: float = 0.05
    noise_ramp: float = 0.75
    ramp_up: float = 0.05
    ramp_down: float = 0.25
    correlation_weight: float = 1e5

    def rate_at(self, share: Array) -> Array:
        """Of Adam, when this share of the steps is done."""
        down = jnp.minimum(1.0, (1.0 - share) / self.ramp_down)
        up = jnp.minimum(1.0, share / self.ramp_up)
        return self.learning_rate * (0.5 - 0.5 * jnp.cos(jnp.pi * down)) * up

    def noise_at(self, share: Array) -> Array:
        """Deviation of the noise on the point, of the space's deviation."""
        left = jnp.maximum(0.0, 1.0 - share / self.noise_ramp)
        return self.initial_noise * jnp.square(left)


class Found(NamedTuple):
    """What a projection of N pictures moves, `[N, …]` in every leaf."""

    point: PyTree
    planes: PyTree


class Progress(NamedTuple):
    """The state of the descent."""

    found: Found
    adam: Any


Step = Callable[..., tuple[Progress, Array]]


def start(space: Space, count: int, points: PyTree = None) -> Progress:
    """At the mean, or at `points` `[N, …]`; in buffers of its own, for `step` takes them."""

    def repeated(leaf: Any) -> Array:
        return jnp.array(np.repeat(np.asarray(leaf, np.float32)[None], count, axis=0))

    point = jax.tree.map(repeated, space.mean) if points is None else points
    found = Found(jax.tree.map(jnp.array, point), jax.tree.map(repeated, space.planes))
    return Progress(found, ADAM.init(found))


def make_step(space: Space, distance: Distance, settings: Settings) -> Step:
    """`step(progress, variables, eye, targets [N, F], fixed [N, …], key, index) -> (progress,
    distances [N])`, jitted; progress is donated. `eye` are the variables of the distance; the
    distances are those before the step, with its noise."""

    def loss(found: Found, variables, eye, targets, fixed, noise) -> tuple[Array, Array]:
        def of_one(found: Found, target: Array, fixed: PyTree, noise: PyTree):
            point = jax.tree.map(jnp.add, found.point, noise)
            image = space.draw(with_planes(variables, found.planes), point, fixed)
            error = distance.between(eye, image, target)
            return error, neighbour_correlation(found.planes)

        errors, correlations = jax.vmap(of_one)(found, targets, fixed, noise)
        return jnp.sum(errors + settings.correlation_weight * correlations), errors

    def step(progress: Progress, variables, eye, targets, fixed, key, index):
        share = index / settings.steps
        deviation = settings.noise_at(share) * space.deviation
        found = progress.found
        noise = _noise(key, index, found.point, deviation)
        slope, errors = jax.grad(loss, has_aux=True)(found, variables, eye, targets, fixed, noise)
        moves, adam = ADAM.update(slope, progress.adam)
        rate = settings.rate_at(share)
        moved = jax.tree.map(lambda leaf, move: leaf - rate * move, found, moves)
        planes = jax.vmap(normalised)(moved.planes) if space.planes else moved.planes
        point = jax.vmap(space.keep)(moved.point) if space.keep else moved.point
        return Progress(Found(point, planes), adam), errors

    return jax.jit(step, donate_argnums=0)


def _noise(key: Array, index: Array, points: PyTree, deviation: Array) -> PyTree:
    """Of every picture its own, whatever others are projected with it."""
    leaves, structure = jax.tree.flatten(points)

    def of_picture(number: Array) -> list[Array]:
        own = jax.random.fold_in(jax.random.fold_in(key, number), index)
        return [
            deviation * jax.random.normal(jax.random.fold_in(own, i), leaf.shape[1:])
            for i, leaf in enumerate(leaves)
        ]

    return structure.unflatten(jax.vmap(of_picture)(jnp.arange(len(leaves[0]))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projection:
    """What was found for N pictures.

    Attributes:
        found: points and planes `[N, …]`, on the host.
        images: their pictures, float `[N, H, W, C]`.
        distances: to the targets, `[N]`.
        from_mean: of the points, over the space's deviation, `[N]`.
        further_than: the share of drawn points that are nearer to the mean, `[N]`.
        spread: how far the layers' styles lie apart: the root of their mean squared distance from
            their mean, over the deviation, `[N]`; 0 but in w+.
    """

    found: Found
    images: np.ndarray
    distances: np.ndarray
    from_mean: np.ndarray
    further_than: np.ndarray
    spread: np.ndarray


def project(
    space: Space,
    distance: Distance,
    settings: Settings,
    *,
    variables: Any,
    images: np.ndarray,
    fixed: PyTree,
    key: Array,
    points: PyTree = None,
    advance: Callable[..., None] = lambda done, total, note="": None,
    watch: Callable[[int, np.ndarray], None] | None = None,
    watch_every: int = 10,
) -> Projection:
    """The latents of pictures, float `[N, H, W, C]` in [-1, 1].

    Args:
        space: to look in.
        distance: to minimise.
        settings: of the descent.
        variables: of the networks.
        images: of the model's size and channels.
        fixed: what stays for each, `[N, …]`, as `space.draw` takes it.
        key: of the noise.
        points: where to start, `[N, …]`; None for the mean.
        advance: hears of the steps.
        watch: `(step, images [N, H, W, C])`, called every `watch_every` steps and at the end.

    Raises:
        UsageError: steps below 1.
    """
    if settings.steps < 1:
        raise UsageError(f"--steps={settings.steps}: must be at least 1")
    eye = jax.device_put(distance.variables)
    targets = jax.jit(distance.features)(eye, jnp.asarray(images))
    step = make_step(space, distance, settings)
    seen = _seer(space, distance)
    progress = start(space, len(images), points)
    for index in range(settings.steps):
        if watch is not None and index % watch_every == 0:
            watch(index, np.asarray(seen(progress.found, variables, eye, targets, fixed)[0]))
        now = jnp.asarray(index, jnp.int32)
        progress, errors = step(progress, variables, eye, targets, fixed, key, now)
        if (index + 1) % 10 == 0 or index + 1 == settings.steps:
            note = f"distance {float(jnp.mean(errors)):.4g}"
            advance(index + 1, settings.steps, note=note)
    drawn, errors = jax.device_get(seen(progress.found, variables, eye, targets, fixed))
    if watch is not None:
        watch(settings.steps, drawn)
    return _described(space, jax.device_get(progress.found), drawn, errors)


def _seer(space: Space, distance: Distance) -> Callable[..., tuple[Array, Array]]:
    """`(found, variables, eye, targets, fixed) -> (images, distances)`, without noise."""

    def of_all(found: Found, variables, eye, targets: Array, fixed: PyTree):
        def of_one(found: Found, target: Array, fixed: PyTree):
            image = space.draw(with_planes(variables, found.planes), found.point, fixed)
            return image, distance.between(eye, image, target)

        return jax.vmap(of_one)(found, targets, fixed)

    return jax.jit(of_all)


def _described(space: Space, found: Found, images: np.ndarray, errors: np.ndarray) -> Projection:
    points = [jax.tree.map(lambda leaf, i=i: leaf[i], found.point) for i in range(len(images))]
    from_mean = np.array([space.from_mean(point) for point in points])
    spread = np.zeros(len(points))
    if space.name == "w+":
        layers = np.stack(points)
        apart = layers - layers.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.square(apart).sum(axis=-1).mean(axis=1)) / space.deviation
    return Projection(
        found=found,
        images=images,
        distances=np.asarray(errors),
        from_mean=from_mean,
        further_than=np.searchsorted(space.distances, from_mean) / len(space.distances),
        spread=spread,
    )
