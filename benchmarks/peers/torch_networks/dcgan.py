"""DCGAN (Radford et al. 2016) at powers of two, with BatchNorm in both networks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_networks.leaves import Leaves, layers_of
from benchmarks.peers.work import Work

BASE = 4


def widths_of(work: Work) -> tuple[int, ...]:
    """Features from the layer nearest the picture inwards, doubling down to 4x4."""
    return tuple(work.width * 2**index for index in range((work.size // BASE).bit_length() - 1))


class Generator(nn.Module):
    """A dense layer to 4x4, then transposed convolutions behind BatchNorm and ReLU; tanh."""

    def __init__(self, work: Work):
        super().__init__()
        widths = widths_of(work)[::-1]
        self.dense = nn.Linear(work.latent_size, BASE * BASE * widths[0], bias=False)
        layers: list[nn.Module] = []
        for inputs, features in pairwise(widths):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, features, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], work.channels, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        # As Flax orders it, the dense layer's output is channels-last as it stands.
        x = self.dense(z).unflatten(1, (BASE, BASE, -1)).permute(0, 3, 1, 2)
        return torch.tanh(self.layers(x).float())


class Discriminator(nn.Module):
    """Strided convolutions with BatchNorm (not the first) and LeakyReLU(0.2), a dense layer."""

    def __init__(self, work: Work):
        super().__init__()
        widths = widths_of(work)
        layers: list[nn.Module] = [
            nn.Conv2d(work.channels, widths[0], 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for inputs, features in pairwise(widths):
            layers += [nn.Conv2d(inputs, features, 4, 2, 1, bias=False), nn.BatchNorm2d(features)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Linear(BASE * BASE * widths[-1], 1)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.layers(pictures).permute(0, 2, 3, 1).flatten(1)
        return self.dense(x)[:, 0].float()


def generator(work: Work) -> nn.Module:
    return Generator(work)


def discriminator(work: Work) -> nn.Module:
    return Discriminator(work)


def load(generator: nn.Module, discriminator: nn.Module, variables: Mapping[str, Any]) -> None:
    """Fills both from Flax's variables; raises ValueError where they do not fit."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        leaves = Leaves(variables[name])
        for layer in layers_of(network, nn.Linear):
            leaves.linear(layer, "Dense_0")
        for index, layer in enumerate(layers_of(network, nn.Conv2d)):
            leaves.convolution(layer, f"Convolution_{index}")
        for index, layer in enumerate(layers_of(network, nn.ConvTranspose2d)):
            leaves.transposed_convolution(layer, f"TransposedConvolution_{index}")
        for index, layer in enumerate(layers_of(network, nn.BatchNorm2d)):
            leaves.batch_norm(layer, f"BatchNorm_{index}")
        leaves.finish()
