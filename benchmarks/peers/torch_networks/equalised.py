"""Layers of an equalised learning rate (Karras et al. 2018), and the activation that follows them.

LeakyReLU commutes with positive factors, so its gain is in the weights and biases before it.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.torch_networks.convolution import Conv2d, convolution


class EqualisedLinear(nn.Linear):
    """A dense layer, all of it times `gain`; `lr_multiplier` slows it down, the bias is `start`."""

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        start: float = 0.0,
    ):
        super().__init__(inputs, features)
        nn.init.normal_(self.weight, std=1 / lr_multiplier)
        nn.init.constant_(self.bias, start)
        self.bias_scale = gain * lr_multiplier
        self.scale = self.bias_scale / sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.scale, self.bias * self.bias_scale)


class EqualisedConv2d(Conv2d):
    """A convolution, all of it times `gain`; keywords are those of `Conv2d`."""

    def __init__(
        self, inputs: int, features: int, size: int, *, gain: float = 1.0, **keywords: Any
    ):
        super().__init__(inputs, features, size, **keywords)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.gain, self.scale = gain, gain / sqrt(inputs * size * size)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return convolution(x, self.weight * self.scale, bias, self.geometry, twice=self.twice)


def activated(x: Tensor, limit: float | None = None) -> Tensor:
    """LeakyReLU(0.2) in place, cut at ± `limit`."""
    x = functional.leaky_relu(x, 0.2, inplace=True)
    return x if limit is None else x.clamp(-limit, limit)


def normalised(x: Tensor) -> Tensor:
    """Rows `[B, F]` over the root of their mean square."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
