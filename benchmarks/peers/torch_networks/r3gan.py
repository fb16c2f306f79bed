"""R3GAN (Huang et al. 2024), configuration E: residual blocks of grouped convolutions, no
normalisation, bilinear resampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.torch_networks.convolution import Conv2d
from benchmarks.peers.torch_networks.leaves import Leaves
from benchmarks.peers.torch_networks.resampling import downsample, upsample
from benchmarks.peers.work import Work

BASE = 4
BLOCKS = 2  # at each resolution
EXPANSION = 2
GROUP_WIDTH = 16
REDUCED = 4  # the highest resolutions above 4x4, which compute in half precision if the work does


def reduced(work: Work, index: int) -> bool:
    """Whether the resolution `4 << index` computes in bfloat16."""
    stages = len(work.widths)
    return work.precision == "bfloat16" and index >= stages - min(REDUCED, stages - 1)


def activated(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2, inplace=True)


class ResidualBlock(nn.Module):
    """`x + branch(x)`: 1x1 to the wide middle, 3x3 in groups, 1x1 back."""

    def __init__(self, width: int, twice: bool):
        super().__init__()
        middle = EXPANSION * width
        groups = middle // GROUP_WIDTH
        self.widen = Conv2d(width, middle, 1, twice=twice)
        self.grouped = Conv2d(middle, middle, 3, padding=1, groups=groups, twice=twice)
        self.narrow = Conv2d(middle, width, 1, bias=False, twice=twice)
        nn.init.zeros_(self.narrow.weight)  # as published, so that it starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(activated(self.grouped(activated(self.widen(x)))))

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.convolution(self.widen, f"{path}/widen")
        leaves.convolution(self.grouped, f"{path}/grouped")
        leaves.convolution(self.narrow, f"{path}/narrow")


class Stage(nn.Module):
    """The blocks of the resolution `4 << index`, and the 1x1 convolution to or from the next lower
    one where widths differ."""

    def __init__(self, work: Work, index: int, twice: bool):
        super().__init__()
        width = work.widths[index]
        self.path, self.reduced = f"stage_{BASE << index}", reduced(work, index)
        self.blocks = nn.Sequential(*(ResidualBlock(width, twice) for _ in range(BLOCKS)))

    def cast(self, x: Tensor) -> Tensor:
        """To the precision of this resolution."""
        return x.to(torch.bfloat16 if self.reduced else next(self.parameters()).dtype)

    def load(self, leaves: Leaves) -> None:
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            block.load(leaves, f"{self.path}/ResidualBlock_{index}")


def change_of_width(inputs: int, features: int, twice: bool) -> nn.Module:
    if inputs == features:
        return nn.Identity()
    return Conv2d(inputs, features, 1, bias=False, twice=twice)


class FirstStage(Stage):
    """`z [B, Z] -> [B, C, 4, 4]`: learnt pictures, each as strong as z says; then the blocks."""

    def __init__(self, work: Work, inputs: int):
        super().__init__(work, 0, False)
        self.strength = nn.Linear(inputs, work.widths[0], bias=False)
        self.basis = nn.Parameter(torch.randn(1, work.widths[0], BASE, BASE))

    def forward(self, z: Tensor) -> Tensor:
        return self.blocks(self.strength(z)[:, :, None, None] * self.basis)

    def load(self, leaves: Leaves) -> None:
        leaves.linear(self.strength, f"{self.path}/basis/Dense_0")
        leaves.copy(self.basis[0], f"params/{self.path}/basis/basis", 2, 0, 1)
        super().load(leaves)


class UpwardStage(Stage):
    """`[B, I, H, W] -> [B, C, 2H, 2W]`, then the blocks."""

    def __init__(self, work: Work, index: int):
        super().__init__(work, index, False)
        inputs, width = work.widths[index - 1 : index + 1]
        self.width = change_of_width(inputs, width, False)
        self.upsample = upsample(width, twice=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.upsample(self.width(self.cast(x))))

    def load(self, leaves: Leaves) -> None:
        if isinstance(self.width, Conv2d):
            leaves.convolution(self.width, f"{self.path}/width")
        super().load(leaves)


class Generator(nn.Module):
    """`(z [B, Z], label [B] or None) -> pictures [B, C, H, W]`, float32."""

    def __init__(self, work: Work):
        super().__init__()
        z, rest = work.latent_size, range(1, len(work.widths))
        self.label = nn.Embedding(work.classes, z) if work.classes else None
        first = FirstStage(work, 2 * z if work.classes else z)
        self.stages = nn.Sequential(first, *(UpwardStage(work, index) for index in rest))
        self.picture = Conv2d(work.widths[-1], work.channels, 1, bias=False, twice=False)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            if self.label is not None:
                z = torch.cat([z, self.label(label)], 1)
            return self.picture(self.stages(z)).to(z.dtype)

    def load(self, leaves: Leaves) -> None:
        if self.label is not None:
            leaves.embedding(self.label, "label")
        for stage in self.stages:
            assert isinstance(stage, Stage)
            stage.load(leaves)
        leaves.convolution(self.picture, "picture")
        leaves.finish()


class DownwardStage(Stage):
    """The blocks, then `[B, C, H, W] -> [B, O, H / 2, W / 2]`."""

    def __init__(self, work: Work, index: int, twice: bool):
        super().__init__(work, index, twice)
        features, width = work.widths[index - 1 : index + 1]
        self.downsample = downsample(width, twice=twice)
        self.width = change_of_width(width, features, twice)

    def forward(self, x: Tensor) -> Tensor:
        return self.width(self.downsample(self.blocks(self.cast(x))))

    def load(self, leaves: Leaves) -> None:
        if isinstance(self.width, Conv2d):
            leaves.convolution(self.width, f"{self.path}/width")
        super().load(leaves)


class LastStage(Stage):
    """The blocks, then `[B, C, 4, 4] -> [B, features]`: a weighted sum over pixels, linear."""

    def __init__(self, work: Work, twice: bool):
        super().__init__(work, 0, twice)
        width = work.widths[0]
        self.basis = nn.Parameter(torch.randn(1, width, BASE, BASE) / BASE)
        self.linear = nn.Linear(width, width if work.classes else 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.cast(x))
        return self.linear((x * self.basis).sum((2, 3)))

    def load(self, leaves: Leaves) -> None:
        leaves.copy(self.basis, f"params/{self.path}/basis/Convolution_0/kernel", 2, 3, 0, 1)
        leaves.linear(self.linear, f"{self.path}/basis/Dense_0")
        super().load(leaves)


class Discriminator(nn.Module):
    """`(pictures [B, C, H, W], label [B] or None) -> logits [B]`, float32."""

    def __init__(self, work: Work):
        super().__init__()
        twice, highest = work.r1_weight > 0 or work.r2_weight > 0, len(work.widths) - 1
        self.picture = Conv2d(work.channels, work.widths[-1], 1, bias=False, twice=twice)
        higher = (DownwardStage(work, index, twice) for index in range(highest, 0, -1))
        self.stages = nn.Sequential(*higher, LastStage(work, twice))
        self.label = nn.Embedding(work.classes, work.widths[0]) if work.classes else None
        self.reduced = reduced(work, highest)

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            x = pictures.bfloat16() if self.reduced else pictures
            x = self.stages(self.picture(x))
            return x[:, 0] if self.label is None else (x * self.label(label)).sum(1)

    def load(self, leaves: Leaves) -> None:
        leaves.convolution(self.picture, "picture")
        for stage in self.stages:
            assert isinstance(stage, Stage)
            stage.load(leaves)
        if self.label is not None:
            leaves.embedding(self.label, "label")
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
