"""How latents become pictures: in one call, or through styles that can be mixed."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.noise import NoiseMode
from gan_jax.ops.sharding import divided
from gan_jax.recipe import Nets


class Drawing(Protocol):
    """A way to call a generator; `label` is `[B]`, `[B, A]` or None, `key` its own noise."""

    def train(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        """z `[B, Z]` to images `[B, H, W, C]`, as they are drawn in training."""
        ...

    def sample(
        self, nets: Nets, name: str, z: Array, label: Array | None, truncation: Array
    ) -> Array:
        """z `[B, Z]` to images `[B, H, W, C]`; truncation 1 changes nothing, 0 gives the mean."""
        ...


@dataclasses.dataclass(frozen=True)
class Direct:
    """`generator(z, label)`. Truncation scales z."""

    def train(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        return nets(name, z, label)

    def sample(
        self, nets: Nets, name: str, z: Array, label: Array | None, truncation: Array
    ) -> Array:
        return nets(name, z * truncation, label)[0]


@dataclasses.dataclass(frozen=True)
class Styled:
    """A style-based generator, with the methods `map(z, label) -> ws [B, L, W]` and
    `synthesise(ws, noise) -> images`. Truncation draws w towards its average.

    Attributes:
        mixing: the probability that a picture takes its styles from a second z from a random
            layer on (Karras et al. 2019, section 3.1; 0.9 as published). The layer is drawn for
            each picture; published code draws one for a batch.
        noise: what the layers add to their features, in training and in samples: "random",
            the "constant" planes, or "none".
    """

    mixing: float
    noise: NoiseMode = "random"

    def __post_init__(self) -> None:
        if not 0.0 <= self.mixing <= 1.0:
            raise UsageError(f"mixing={self.mixing:g} is a probability, between 0 and 1")

    def styles(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        """The styles of every layer, `[B, L, W]`."""
        ws, nets = nets(name, z, label, method="map")
        if self.mixing == 0:
            return ws, nets
        z_key, chance_key, layer_key = jax.random.split(key, 3)
        # The second mapping leaves the average of w alone, as in the authors' code.
        others = nets.fixed(name)(divided(jax.random.normal(z_key, z.shape)), label, method="map")
        batch, layers = ws.shape[:2]
        first = jax.random.randint(layer_key, (batch,), 1, layers)
        mixed = jax.random.bernoulli(chance_key, self.mixing, (batch,))
        first = jnp.where(mixed, first, layers)
        return jnp.where((jnp.arange(layers) < first[:, None])[..., None], ws, others), nets

    def train(
        self, nets: Nets, name: str, z: Array, label: Array | None, key: Array
    ) -> tuple[Array, Nets]:
        ws, nets = self.styles(nets, name, z, label, key)
        return self.synthesise(nets, name, ws)

    def synthesise(self, nets: Nets, name: str, ws: Array) -> tuple[Array, Nets]:
        """Images `[B, H, W, C]` of `ws [B, L, W]`."""
        return nets(name, ws, method="synthesise", noise=self.noise)

    def sample(
        self, nets: Nets, name: str, z: Array, label: Array | None, truncation: Array
    ) -> Array:
        return nets(name, z, label, truncation=truncation, noise=self.noise)[0]
