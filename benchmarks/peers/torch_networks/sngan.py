"""SNGAN's residual networks for 32 pixels (Miyato et al. 2018; Miyato and Koyama 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.torch_networks.leaves import Leaves, layers_of
from benchmarks.peers.torch_networks.spectral import spectral
from benchmarks.peers.work import Work

BASE = 4
BLOCKS = 3  # of the generator, each doubles the sides
DOWN = (True, True, False, False)  # of the discriminator, which halve them
EPSILON = 2e-5  # of BatchNorm


class ConditionalBatchNorm(nn.Module):
    """BatchNorm, then times 1 + gain(label), plus bias(label)."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, EPSILON, affine=False)
        self.gain, self.bias = (nn.Embedding(classes, features) for _ in range(2))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        gain, bias = (table(label)[:, :, None, None] for table in (self.gain, self.bias))
        x = self.norm(x)
        return torch.addcmul(bias.to(x.dtype), x, 1 + gain.to(x.dtype))

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.batch_norm(self.norm, f"{path}/BatchNorm_0")
        leaves.embedding(self.gain, f"{path}/gain")
        leaves.embedding(self.bias, f"{path}/bias")


class PlainBatchNorm(nn.Module):
    """BatchNorm with a scale and a bias of its own; the label is not read."""

    def __init__(self, features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, EPSILON)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        return self.norm(x)

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.batch_norm(self.norm, f"{path}/BatchNorm_0")


def normalisation(features: int, classes: int) -> ConditionalBatchNorm | PlainBatchNorm:
    return ConditionalBatchNorm(features, classes) if classes else PlainBatchNorm(features)


class GeneratorBlock(nn.Module):
    """Normalise, ReLU, double, convolve, normalise, ReLU, convolve; a 1x1 shortcut."""

    def __init__(self, inputs: int, features: int, classes: int):
        super().__init__()
        self.norm, self.inner_norm = (normalisation(n, classes) for n in (inputs, features))
        self.first = nn.Conv2d(inputs, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, features, 1)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        h = self.first(double(functional.relu(self.norm(x, label), inplace=True)))
        h = self.second(functional.relu(self.inner_norm(h, label), inplace=True))
        return h + double(self.shortcut(x))  # 1x1 and doubling commute

    def load(self, leaves: Leaves, path: str) -> None:
        self.norm.load(leaves, f"{path}/ConditionalBatchNorm_0")
        self.inner_norm.load(leaves, f"{path}/ConditionalBatchNorm_1")
        leaves.convolution(self.first, f"{path}/Convolution_0")
        leaves.convolution(self.second, f"{path}/Convolution_1")
        leaves.convolution(self.shortcut, f"{path}/shortcut")


def double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class Generator(nn.Module):
    """A dense layer to 4x4, three blocks, BatchNorm, ReLU, a 3x3 convolution, tanh."""

    def __init__(self, work: Work):
        super().__init__()
        width = 4 * work.width
        self.dense = nn.Linear(work.latent_size, BASE * BASE * width)
        self.blocks = nn.ModuleList(
            GeneratorBlock(width, width, work.classes) for _ in range(BLOCKS)
        )
        self.norm = PlainBatchNorm(width)
        self.picture = nn.Conv2d(width, work.channels, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        # As Flax orders it, the dense layer's output is channels-last as it stands.
        x = self.dense(z).unflatten(1, (BASE, BASE, -1)).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, label)
        x = self.picture(functional.relu(self.norm(x, None), inplace=True))
        return torch.tanh(x.float())


class DiscriminatorBlock(nn.Module):
    """ReLU (not the first block), convolve, ReLU, convolve, average 2 x 2 with `down`; a 1x1
    shortcut where anything changes."""

    def __init__(self, inputs: int, features: int, down: bool, first: bool):
        super().__init__()
        hidden = features if first else inputs
        self.down, self.starts = down, first
        self.first = spectral(nn.Conv2d(inputs, hidden, 3, padding=1))
        self.second = spectral(nn.Conv2d(hidden, features, 3, padding=1))
        changes = down or inputs != features
        self.shortcut = spectral(nn.Conv2d(inputs, features, 1)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x if self.starts else functional.relu(x))
        h = self.second(functional.relu(h, inplace=True))
        if self.down:  # averaging and 1x1 commute
            h, x = functional.avg_pool2d(h, 2), functional.avg_pool2d(x, 2)
        return h + (x if self.shortcut is None else self.shortcut(x))

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.convolution(self.first, f"{path}/SpectralConvolution_0")
        leaves.convolution(self.second, f"{path}/SpectralConvolution_1")
        if self.shortcut is not None:
            leaves.convolution(self.shortcut, f"{path}/shortcut")


class Discriminator(nn.Module):
    """Four blocks, ReLU, the sum over pixels, then a projection onto the label's embedding."""

    def __init__(self, work: Work):
        super().__init__()
        width = 2 * work.width
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(width if index else work.channels, width, down, index == 0)
            for index, down in enumerate(DOWN)
        )
        self.logits = spectral(nn.Linear(width, 1))
        self.label = spectral(nn.Embedding(work.classes, width)) if work.classes else None

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        x = pictures
        for block in self.blocks:
            x = block(x)
        x = functional.relu(x).sum((2, 3), dtype=torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # the head is float32
            logits = self.logits(x)[:, 0]
            return logits if self.label is None else logits + (self.label(label) * x).sum(1)


def generator(work: Work) -> nn.Module:
    return Generator(work)


def discriminator(work: Work) -> nn.Module:
    return Discriminator(work)


def load(generator: nn.Module, discriminator: nn.Module, variables: Mapping[str, Any]) -> None:
    """Fills both from Flax's variables; raises ValueError where they do not fit."""
    assert isinstance(generator, Generator) and isinstance(discriminator, Discriminator)
    _load_generator(generator, Leaves(variables["generator"]))
    _load_discriminator(discriminator, Leaves(variables["discriminator"]))


def _load_generator(network: Generator, leaves: Leaves) -> None:
    leaves.linear(network.dense, "Dense_0")
    for index, block in enumerate(layers_of(network, GeneratorBlock)):
        block.load(leaves, f"GeneratorBackbone_0/GeneratorBlock_{index}")
    network.norm.load(leaves, "GeneratorBackbone_0/ConditionalBatchNorm_0")
    leaves.convolution(network.picture, "GeneratorBackbone_0/Convolution_0")
    leaves.finish()


def _load_discriminator(network: Discriminator, leaves: Leaves) -> None:
    for index, block in enumerate(layers_of(network, DiscriminatorBlock)):
        block.load(leaves, f"DiscriminatorBackbone_0/DiscriminatorBlock_{index}")
    head = "ProjectionHead_0" if network.label is not None else "LinearHead_0"
    leaves.linear(network.logits, f"{head}/logits")
    if network.label is not None:
        leaves.embedding(network.label, f"{head}/label")
    leaves.finish()
