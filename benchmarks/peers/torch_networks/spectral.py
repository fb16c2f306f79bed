"""Spectral normalisation (Miyato et al. 2018) with gan_jax's order of the power iteration.

`torch.nn.utils.parametrizations.spectral_norm` is the same but for one thing: it moves v after u
before it takes sigma, and it moves them wherever the network is in training. This one does as much
work, and keeps u only in the phase that trains its network.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.Embedding)


class SpectralNorm(nn.Module):
    """weight -> weight / sigma after one power iteration from u.

    Attributes:
        axis: the weight's axis of output features; u is as long.
        tracking: whether u keeps what comes of the iteration.
    """

    u: Tensor

    def __init__(self, features: int, axis: int):
        super().__init__()
        self.axis = axis
        self.tracking = True
        self.register_buffer("u", torch.randn(features))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1) if self.axis == 0 else weight.t()
            with torch.no_grad():
                v = normalize(torch.mv(matrix.t(), self.u), dim=0, eps=1e-12)
                u = normalize(torch.mv(matrix, v), dim=0, eps=1e-12)
                if self.tracking:
                    self.u.copy_(u)
            return weight / torch.dot(u, torch.mv(matrix, v))


def spectral(layer: Layer) -> Layer:
    """A `Linear`, `Conv2d` or `Embedding` whose weight is normalised whenever it is read."""
    axis = 1 if isinstance(layer, nn.Embedding) else 0
    norm = SpectralNorm(layer.weight.shape[axis], axis)
    parametrize.register_parametrization(layer, "weight", norm)
    return layer


def spectral_norm_of(layer: nn.Module) -> SpectralNorm | None:
    """What normalises a layer's weight, if anything does."""
    return next((part for part in layer.modules() if isinstance(part, SpectralNorm)), None)


def track(network: nn.Module, on: bool) -> None:
    """Whether the vectors of a network move when it is called: in the phases that train it."""
    for module in network.modules():
        if isinstance(module, SpectralNorm):
            module.tracking = on
