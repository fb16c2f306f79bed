"""A perceptual distance that needs no weights of others: in the avatar encoder's features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.evaluators.generated import BLOCK
from gan_jax.metrics.perceptual import unlearnt_distance
from gan_jax.networks.features.style_vgg import TAPS
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.ops.pixels import to_float
from gan_jax.weights.style_weights import style_weights

NETWORK = "avatar_encoder"


class Perceptual(NamedTuple):
    """A distance, and what a row says of it.

    Attributes:
        describe: network, weights and taps.
        distance: `(a, b) -> [N]` of uint8 pictures `[N, H, W, C]`; grey is repeated, alpha is
            dropped.
    """

    describe: Mapping[str, Any]
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray]


def avatar_perceptual() -> Perceptual:
    """`perceptual`: `unlearnt_distance` in four taps of the encoder that comes with the package.
    It is no LPIPS, which has another network and learnt weights; numbers of both do not compare.

    Raises:
        UsageError: the package's weights are damaged.
    """
    weights = style_weights(NETWORK)

    @jax.jit
    def distance(variables: Any, a: Array, b: Array) -> Array:
        images = to_float(jnp.concatenate([a, b]))
        with jax.default_matmul_precision("highest"):
            found: Any = AvatarEncoder().apply(variables, images, taps=TAPS, train=False)
        halves = [jnp.split(found[tap], 2) for tap in TAPS]
        return unlearnt_distance([half[0] for half in halves], [half[1] for half in halves])

    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.shape != b.shape:
            raise UsageError(f"perceptual distance of shapes {a.shape} and {b.shape}: not alike")
        found = []
        for start in range(0, len(a), BLOCK):
            rows = np.minimum(np.arange(start, start + BLOCK), len(a) - 1)  # compiled once
            pair = coloured(a[rows]), coloured(b[rows])
            found.append(np.asarray(distance(weights.variables, *pair))[: len(a) - start])
        return np.concatenate(found)

    about = {
        "network": NETWORK,
        "weights_sha256": weights.sha256,
        "verified": weights.verified,
        "taps": list(TAPS),
        "channel_weights": "none: unit vectors, mean over places and taps",
    }
    return Perceptual(about, distances)


def coloured(images: np.ndarray) -> np.ndarray:
    """`[N, H, W, 3]` of `[N, H, W, C]`."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] < 3 else images[..., :3]
