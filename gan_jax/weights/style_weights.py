"""The weights of the encoders that style transfer reads features with."""

from __future__ import annotations

import dataclasses

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.weights.store import Weights, find_weights
from gan_jax.weights.variables import Variables

STYLE_ENCODERS = ("avatar_encoder", "vgg19")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of colours in [0, 1]: what torchvision's networks were trained with."""


def style_weights(name: str) -> Weights:
    """Those of `style_encoder.AvatarEncoder`, which come with the package, or of `StyleVGG` out of
    the user's VGG-19: its convolutions, behind one that takes colours as torchvision's networks do.

    Raises:
        UsageError: another name, or no weights of VGG-19 have been imported.
    """
    if name not in STYLE_ENCODERS:
        raise UsageError(f"no style encoder {name!r}: there are {', '.join(STYLE_ENCODERS)}")
    weights = find_weights(name, None)
    params = weights.variables["params"]
    used = {layer: params[layer] for layer in params if layer.startswith("conv")}
    if name == "vgg19":
        used["conv0"] = colours_as_imagenet()
    return dataclasses.replace(weights, variables={"params": used})


def colours_as_imagenet() -> Variables:
    """A 1x1 convolution of colours in [0, 1]: less the mean, over the deviation."""
    deviation = np.asarray(IMAGENET_DEVIATION, np.float32)
    return {
        "kernel": np.diag(1.0 / deviation).astype(np.float32)[None, None],
        "bias": (-np.asarray(IMAGENET_MEAN, np.float32) / deviation),
    }
