"""LPIPS v0.1 (Zhang et al. 2018) with VGG-16, as a function of two batches of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.metrics.perceptual import LPIPS_SCALE, LPIPS_SHIFT, lpips_distance
from gan_jax.networks.features.vgg import LPIPS_VGG16, VGG, VGG16
from gan_jax.weights.store import find_weights

Distance = Callable[[Any, Array, Array], Array]

LPIPS_NEEDS = (("vgg16", ""), ("lpips", ""))
"""As `needs` of an evaluator."""


def find_lpips() -> tuple[Any, dict[str, Any]]:
    """(variables, what a row says of them); raises UsageError where weights are missing."""
    vgg, linear = find_weights("vgg16", None), find_weights("lpips", None)
    about = {
        "network": "vgg16 lpips",
        "weights_sha256": f"{vgg.sha256} {linear.sha256}",
        "verified": vgg.verified and linear.verified,
    }
    layers = vgg.variables["params"]
    convolutions = {name: leaf for name, leaf in layers.items() if name.startswith("conv")}
    return {"vgg": {"params": convolutions}, "linear": linear.variables}, about


def warnings_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader of the numbers must know of the weights that `find_lpips` found."""
    if about["verified"]:
        return ()
    return (
        "the weights of VGG-16 or LPIPS fit, but are not those of known files: the distances are "
        "unverified",
    )


def lpips(variables: Any, a: Array, b: Array) -> Array:
    """`[B]`: the distance of each pair of float pictures `[B, H, W, 3]` in [-1, 1]."""
    network = VGG(VGG16)
    shift, scale = jnp.array(LPIPS_SHIFT), jnp.array(LPIPS_SCALE)

    def taps(images: Array) -> list[Array]:
        found = network.apply(variables["vgg"], (images - shift) / scale, taps=LPIPS_VGG16)
        assert isinstance(found, dict)
        return [found[name] for name in LPIPS_VGG16]

    weights = [variables["linear"]["params"][name] for name in LPIPS_VGG16]
    with jax.default_matmul_precision("highest"):
        return lpips_distance(taps(a), taps(b), weights, epsilon_inside=False)
