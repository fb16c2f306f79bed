"""The dense GAN (Goodfellow et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_networks.leaves import Leaves, layers_of
from benchmarks.peers.work import Work


class Generator(nn.Module):
    """Dense layers, each with LeakyReLU(0.2) and BatchNorm; tanh at the end."""

    def __init__(self, work: Work):
        super().__init__()
        self.shape = (work.size, work.size, work.channels)
        widths = (work.latent_size, *work.generator_hidden)
        layers: list[nn.Module] = []
        for inputs, features in pairwise(widths):
            layers += [nn.Linear(inputs, features), nn.LeakyReLU(0.2)]
            layers += [nn.BatchNorm1d(features, momentum=0.2)]  # Flax says what is kept, 0.8
        layers += [nn.Linear(widths[-1], math.prod(self.shape))]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layers(z).float()).unflatten(1, self.shape).permute(0, 3, 1, 2)


class Discriminator(nn.Module):
    """Dense layers, each with LeakyReLU(0.2) and dropout."""

    def __init__(self, work: Work):
        super().__init__()
        widths = (work.size**2 * work.channels, *work.discriminator_hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, features in pairwise(widths):
            layers += [nn.Linear(inputs, features), nn.LeakyReLU(0.2), nn.Dropout(work.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layers(pictures.permute(0, 2, 3, 1))[:, 0].float()


def generator(work: Work) -> nn.Module:
    return Generator(work)


def discriminator(work: Work) -> nn.Module:
    return Discriminator(work)


def load(generator: nn.Module, discriminator: nn.Module, variables: Mapping[str, Any]) -> None:
    """Fills both from Flax's variables; raises ValueError where they do not fit."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        leaves = Leaves(variables[name])
        for index, layer in enumerate(layers_of(network, nn.Linear)):
            leaves.linear(layer, f"Dense_{index}")
        for index, layer in enumerate(layers_of(network, nn.BatchNorm1d)):
            leaves.batch_norm(layer, f"BatchNorm_{index}")
        leaves.finish()
