"""What a network's weights make of one fixed input: two people with the same file see the same."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from gan_jax.networks.features import inception, vgg
from gan_jax.weights.feature_networks import VGG_BLOCKS
from gan_jax.weights.variables import Variables


def fixed_input(size: int) -> np.ndarray:
    """Waves of three frequencies, one a channel: `[1, size, size, 3]` in [-1, 1]."""
    position = np.arange(size, dtype=np.float64) / size
    phase = position[:, None, None] * (3.0, 5.0, 7.0) + position[None, :, None] * (2.0, 11.0, 4.0)
    return np.sin(2 * np.pi * phase)[None].astype(np.float32)


def fingerprint(network: str, variables: Variables) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each feature; of LPIPS, of the weights of each tap."""
    features = _features(network, variables)
    return {
        tap: (float(np.mean(value, dtype=np.float64)), float(np.std(value, dtype=np.float64)))
        for tap, value in features.items()
    }


def _features(network: str, variables: Variables) -> Mapping[str, np.ndarray]:
    if network == "inception":
        apply = jax.jit(inception.FIDInception().apply)
        found = apply(variables, fixed_input(inception.SIZE))
    elif network == "alexnet":
        found = jax.jit(vgg.AlexNet().apply)(variables, fixed_input(vgg.SIZE))
    elif network in VGG_BLOCKS:
        module = vgg.VGG(VGG_BLOCKS[network])
        taps = (*vgg.STYLE, "fc2_relu", "logits")
        apply = jax.jit(lambda variables, images: module.apply(variables, images, taps=taps))
        found = apply(variables, fixed_input(vgg.SIZE))
    else:
        found = variables["params"]
    return {tap: np.asarray(value) for tap, value in found.items()}
