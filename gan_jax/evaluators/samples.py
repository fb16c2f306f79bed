"""Sample grids: the same latents at every step, with the raw and with the averaged weights."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from gan_jax.mesh import replicated
from gan_jax.ops.pixels import to_uint8
from gan_jax.recipe import Batch, Nets, PyTree, Recipe
from gan_jax.state import NetState


def sampling_nets(
    recipe: Recipe,
    nets: Mapping[str, NetState],
    frozen: Mapping[str, PyTree],
    key: Array,
    ema: bool,
) -> Nets:
    """The networks in evaluation mode: averaged parameters where there are and `ema` asks for
    them, always with the live statistics."""
    variables = {
        name: {"params": net.ema if ema and net.ema is not None else net.params, **net.stats}
        for name, net in nets.items()
    }
    modules = {**recipe.networks, **recipe.frozen}
    return Nets(modules, {**variables, **frozen}, key, train=False)


def conditions(
    count: int, num_classes: int, label: int | np.ndarray | None, *, attributes: bool = False
) -> dict[str, np.ndarray]:
    """What a batch of `count` generated pictures is conditioned on: `label` int32 `[count]`, the
    classes in turn unless one is given; of a model of attributes float32 `[count, num_classes]`,
    the vector `[num_classes]` that is given, else each attribute alone in turn."""
    if attributes:
        rows = np.eye(num_classes) if label is None else np.reshape(label, (1, num_classes))
        return {"label": rows[np.arange(count) % len(rows)].astype(np.float32)}
    if label is not None:
        return {"label": np.full(count, label, np.int32)}
    return {"label": np.arange(count, dtype=np.int32) % max(num_classes, 1)}


def sample_key(seed: int) -> Array:
    """A key of its own for sampling, apart from all that training draws from `seed`."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(b"samples") & 0x7FFFFFFF)


def make_sampler(recipe: Recipe, mesh: Mesh) -> Callable[..., np.ndarray]:
    """`sample(nets, frozen, latents, batch, key, truncation, ema) -> uint8 [B, H, W, C]` on the
    host, compiled once for each shape.

    Raises:
        ValueError: the recipe generates nothing.
    """
    if recipe.generate is None:
        raise ValueError("this recipe generates no pictures")
    generate = recipe.generate

    def pictures(
        nets: Mapping[str, NetState],
        frozen: Mapping[str, PyTree],
        latents: PyTree,
        batch: Batch,
        key: Array,
        truncation: Array,
        ema: bool,
    ) -> Array:
        view = sampling_nets(recipe, nets, frozen, key, ema)
        return to_uint8(generate(view, latents, batch, truncation))

    compiled = jax.jit(pictures, static_argnums=6, out_shardings=replicated(mesh))

    def sample(nets, frozen, latents, batch, key, truncation, ema) -> np.ndarray:
        scale = np.float32(truncation)
        return np.asarray(compiled(nets, frozen, latents, batch, key, scale, ema))

    return sample


def fixed_latents(recipe: Recipe, batch: Mapping[str, Any], seed: int) -> PyTree:
    """Latents of a batch of conditions, the same for the same seed."""
    assert recipe.latents is not None
    return jax.jit(recipe.latents)(sample_key(seed), jax.tree.map(jnp.asarray, batch))
