"""BigGAN for 32 pixels (Brock et al. 2019, in StudioGAN's setting), spectrally normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.torch_networks.leaves import Leaves, layers_of
from benchmarks.peers.torch_networks.sngan import DiscriminatorBlock, double
from benchmarks.peers.torch_networks.spectral import spectral
from benchmarks.peers.work import Work

BASE = 4
BLOCKS = 3  # of the generator, each doubles the sides
DOWN = (True, True, False, False)  # of the discriminator, which halve them
EMBEDDING = 128  # features of a class
ATTENTION = 16  # the side at which each network attends


class ConditionalBatchNorm(nn.Module):
    """BatchNorm, then times 1 + gain(condition), plus bias(condition)."""

    def __init__(self, features: int, condition: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.gain, self.bias = (
            spectral(nn.Linear(condition, features, bias=False)) for _ in range(2)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = self.norm(x)
        gain, bias = (layer(condition)[:, :, None, None] for layer in (self.gain, self.bias))
        return torch.addcmul(bias.to(x.dtype), x, 1 + gain.to(x.dtype))

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.batch_norm(self.norm, f"{path}/BatchNorm_0")
        leaves.linear(self.gain, f"{path}/gain")
        leaves.linear(self.bias, f"{path}/bias")


class SelfAttention(nn.Module):
    """x plus gamma times what each pixel attends to (Zhang et al. 2019); keys and values are
    pooled."""

    def __init__(self, features: int):
        super().__init__()
        narrow, half = max(features // 8, 1), max(features // 2, 1)
        self.query, self.key, self.value, self.output = (
            spectral(nn.Conv2d(inputs, outputs, 1, bias=False))
            for inputs, outputs in (
                (features, narrow),
                (features, narrow),
                (features, half),
                (half, features),
            )
        )
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = pixels(self.query(x))
        key, value = (pixels(functional.max_pool2d(f(x), 2)) for f in (self.key, self.value))
        weights = torch.softmax(query @ key.transpose(1, 2), 2, dtype=precise(x))
        attended = (weights.to(value.dtype) @ value).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return torch.addcmul(x, self.gamma.to(x.dtype), self.output(attended))

    def load(self, leaves: Leaves, path: str) -> None:
        for name in ("query", "key", "value", "output"):
            leaves.convolution(getattr(self, name), f"{path}/{name}")
        leaves.copy(self.gamma, f"params/{path}/gamma")


def pixels(x: Tensor) -> Tensor:
    """`[B, C, H, W]` as `[B, HW, C]`, which it is in memory already where channels come last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def precise(x: Tensor) -> torch.dtype:
    """At least float32."""
    return torch.promote_types(x.dtype, torch.float32)


class GeneratorBlock(nn.Module):
    """Normalise, ReLU, double, convolve, normalise, ReLU, convolve; a 1x1 shortcut."""

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.norm, self.inner_norm = (ConditionalBatchNorm(width, condition) for _ in range(2))
        self.first, self.second = (
            spectral(nn.Conv2d(width, width, 3, padding=1)) for _ in range(2)
        )
        self.shortcut = spectral(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.first(double(functional.relu(self.norm(x, condition), inplace=True)))
        h = self.second(functional.relu(self.inner_norm(h, condition), inplace=True))
        return h + double(self.shortcut(x))  # 1x1 and doubling commute

    def load(self, leaves: Leaves, path: str) -> None:
        self.norm.load(leaves, f"{path}/ConditionalBatchNorm_0")
        self.inner_norm.load(leaves, f"{path}/ConditionalBatchNorm_1")
        leaves.convolution(self.first, f"{path}/SpectralConvolution_0")
        leaves.convolution(self.second, f"{path}/SpectralConvolution_1")
        leaves.convolution(self.shortcut, f"{path}/shortcut")


class Generator(nn.Module):
    """z in one part for the dense layer and one for each block, which with the class's embedding
    is its condition; BatchNorm, ReLU, a 3x3 convolution and tanh at the end."""

    def __init__(self, work: Work):
        super().__init__()
        width, part = 4 * work.width, work.latent_size // (BLOCKS + 1)
        self.classes = nn.Embedding(work.classes, EMBEDDING) if work.classes else None
        condition = part + (EMBEDDING if work.classes else 0)
        self.dense = spectral(nn.Linear(part, BASE * BASE * width))
        self.blocks = nn.ModuleList(GeneratorBlock(width, condition) for _ in range(BLOCKS))
        self.attention = SelfAttention(width)
        self.norm = nn.BatchNorm2d(width)
        self.picture = spectral(nn.Conv2d(width, work.channels, 3, padding=1))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        first, *conditions = z.chunk(BLOCKS + 1, 1)
        if self.classes is not None:
            classes = self.classes(label)
            conditions = [torch.cat([classes, part], 1) for part in conditions]
        # As Flax orders it, the dense layer's output is channels-last as it stands.
        x = self.dense(first).unflatten(1, (BASE, BASE, -1)).permute(0, 3, 1, 2)
        for block, condition in zip(self.blocks, conditions, strict=True):
            x = block(x, condition)
            if x.shape[2] == ATTENTION:
                x = self.attention(x)
        x = self.picture(functional.relu(self.norm(x), inplace=True))
        return torch.tanh(x.to(precise(x)))

    def load(self, leaves: Leaves) -> None:
        if self.classes is not None:
            leaves.embedding(self.classes, "classes")
        leaves.linear(self.dense, "SpectralDense_0")
        backbone = "GeneratorBackbone_0"
        for index, block in enumerate(layers_of(self, GeneratorBlock)):
            block.load(leaves, f"{backbone}/GeneratorBlock_{index}")
        self.attention.load(leaves, f"{backbone}/SelfAttention_0")
        leaves.batch_norm(self.norm, f"{backbone}/ConditionalBatchNorm_0/BatchNorm_0")
        leaves.convolution(self.picture, f"{backbone}/SpectralConvolution_0")
        leaves.finish()


class Discriminator(nn.Module):
    """Four blocks, attention behind the first, ReLU, the sum over pixels, then a projection onto
    the label's embedding."""

    def __init__(self, work: Work):
        super().__init__()
        width = 2 * work.width
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(width if index else work.channels, width, down, index == 0)
            for index, down in enumerate(DOWN)
        )
        self.attention = SelfAttention(width)
        self.logits = spectral(nn.Linear(width, 1))
        self.label = spectral(nn.Embedding(work.classes, width)) if work.classes else None

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        x = pictures
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 0:
                x = self.attention(x)
        x = functional.relu(x).sum((2, 3), dtype=precise(x))
        with torch.autocast(x.device.type, enabled=False):  # the head is float32
            logits = self.logits(x)[:, 0]
            return logits if self.label is None else logits + (self.label(label) * x).sum(1)

    def load(self, leaves: Leaves) -> None:
        backbone = "DiscriminatorBackbone_0"
        for index, block in enumerate(layers_of(self, DiscriminatorBlock)):
            block.load(leaves, f"{backbone}/DiscriminatorBlock_{index}")
        self.attention.load(leaves, f"{backbone}/SelfAttention_0")
        head = "ProjectionHead_0" if self.label is not None else "LinearHead_0"
        leaves.linear(self.logits, f"{head}/logits")
        if self.label is not None:
            leaves.embedding(self.label, f"{head}/label")
        leaves.finish()


def generator(work: Work) -> nn.Module:
    return Generator(work)


def discriminator(work: Work) -> nn.Module:
    return Discriminator(work)


def load(generator: nn.Module, discriminator: nn.Module, variables: Mapping[str, Any]) -> None:
    """Fills both from Flax's variables; raises ValueError where they do not fit."""
    assert isinstance(generator, Generator) and isinstance(discriminator, Discriminator)
    generator.load(Leaves(variables["generator"]))
    discriminator.load(Leaves(variables["discriminator"]))
