"""How alike two pictures are, as a squared distance of vectors: what a projection minimises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gan_jax.errors import UsageError
from gan_jax.evaluators.lpips import find_lpips
from gan_jax.evaluators.path_length import as_rgb, shrunk
from gan_jax.metrics.perceptual import EPSILON, LPIPS_SCALE, LPIPS_SHIFT
from gan_jax.networks.features.vgg import LPIPS_VGG16, VGG, VGG16
from gan_jax.networks.style_encoder import AvatarEncoder
from gan_jax.weights.folder import FLAGS, locate
from gan_jax.weights.store import find_weights, is_safetensors

NAMES = ("pixels", "avatar_encoder", "lpips")


@dataclasses.dataclass(frozen=True)
class Distance:
    """Attributes:
    name: one of `NAMES`.
    variables: of its network.
    features: `(variables, images [B, H, W, C] in [-1, 1]) -> [B, F]`; the distance of two
        pictures is the squared Euclidean one of their rows.
    """

    name: str
    variables: Any
    features: Callable[[Any, Array], Array]

    def between(self, variables: Any, image: Array, target: Array) -> Array:
        """`[]` of one picture `[H, W, C]` and the features `[F]` of another."""
        return jnp.sum(jnp.square(self.features(variables, image[None])[0] - target))


def distance_named(name: str, weights: Path | None = None) -> Distance:
    """One of `NAMES`.

    - `pixels`: the mean squared error.
    - `lpips`: LPIPS v0.1 with VGG-16.
    - `avatar_encoder`: the same of the encoder that is trained on avatars, with weights of 1.

    Raises:
        UsageError: an unknown name, or weights that are missing, not read or of another network.
    """
    if weights is not None and name in ("pixels", "lpips"):
        raise UsageError(f"--weights={weights}: --features={name} reads none; avatar_encoder does")
    if name == "pixels":
        return Distance(name, {}, _pixels)
    if name == "lpips":
        return Distance(name, _lpips_variables(), _lpips)
    if name == "avatar_encoder":
        return Distance(name, _encoder_variables(weights), _avatar_encoder)
    raise UsageError(f"--features={name}: there are {', '.join(NAMES)}")


def _pixels(variables: Any, images: Array) -> Array:
    return images.reshape(len(images), -1) / np.sqrt(images[0].size)


def _lpips(variables: Any, images: Array) -> Array:
    shift, scale = jnp.array(LPIPS_SHIFT), jnp.array(LPIPS_SCALE)
    seen = (shrunk(as_rgb(images)) - shift) / scale
    with jax.default_matmul_precision("highest"):
        found = VGG(VGG16).apply(variables["vgg"], seen, taps=LPIPS_VGG16)
    assert isinstance(found, dict)
    weights = [variables["linear"]["params"][name] for name in LPIPS_VGG16]
    return as_vectors([found[name] for name in LPIPS_VGG16], weights)


def _avatar_encoder(variables: Any, images: Array) -> Array:
    found = AvatarEncoder().apply(variables, shrunk(as_rgb(images)), train=False)
    assert isinstance(found, dict)
    maps = list(found.values())
    return as_vectors(maps, [jnp.ones(x.shape[-1]) for x in maps])


def as_vectors(maps: Sequence[Array], weights: Sequence[Array]) -> Array:
    """`[B, F]` of maps `[B, h, w, C]` with weights `[C]`: the squared distance of two rows is the
    LPIPS of their pictures."""
    rows = []
    for features, weight in zip(maps, weights, strict=True):
        squares = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
        # Epsilon inside of the root: beside it a vector of zeros has no gradient.
        unit = features * lax.rsqrt(squares + EPSILON) * jnp.sqrt(weight)
        places = features.shape[1] * features.shape[2]
        rows.append(unit.reshape(len(features), -1) / np.sqrt(places))
    return jnp.concatenate(rows, axis=-1)


def _lpips_variables() -> Any:
    try:
        return find_lpips()[0]
    except UsageError as error:
        # The advice ends in a flag that another command has.
        raise UsageError(str(error).removesuffix(FLAGS["vgg16"])) from error


def _encoder_variables(weights: Path | None) -> Any:
    if not is_safetensors(locate("avatar_encoder", weights)):
        raise UsageError(f"weights {weights}: the avatar encoder's are a safetensors file")
    found = find_weights("avatar_encoder", weights)
    picture = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    expected = jax.eval_shape(
        lambda key, x: AvatarEncoder().init(key, x, train=False), jax.random.key(0), picture
    )
    shapes = [jax.tree.map(lambda leaf: leaf.shape, tree) for tree in (expected, found.variables)]
    if shapes[0] != shapes[1]:
        raise UsageError(f"weights {found.path}: they do not fit the avatar encoder")
    # They may be stored in half precision.
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), found.variables)
