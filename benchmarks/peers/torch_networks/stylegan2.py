"""StyleGAN2 (Karras et al. 2020): the skip generator, the "resnet" or "orig" discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.torch_networks.equalised import (
    EqualisedConv2d,
    EqualisedLinear,
    activated,
    normalised,
)
from benchmarks.peers.torch_networks.leaves import Leaves
from benchmarks.peers.torch_networks.resampling import blur, downsample
from benchmarks.peers.torch_networks.stylegan2_synthesis import (
    BASE,
    ROOT,
    Noise,
    Resolution,
    features_at,
    limit_of,
    reduced,
    sides,
)
from benchmarks.peers.work import Work

AVERAGE_DECAY = 0.995  # of the average w, a call
LABEL_LAYERS = 8  # of the discriminator's mapping of labels


class StyleMapping(nn.Module):
    """`(z [B, Z] or None, label [B] or None) -> w [B, features]`."""

    def __init__(self, latent_size: int, features: int, layers: int, classes: int):
        super().__init__()
        self.classes = classes
        self.embedding = EqualisedLinear(classes, features) if classes else None
        inputs = latent_size + (features if classes else 0)
        self.layers = nn.ModuleList(
            EqualisedLinear(features if index else inputs, features, gain=ROOT, lr_multiplier=0.01)
            for index in range(layers)
        )

    def forward(self, z: Tensor | None, label: Tensor | None) -> Tensor:
        parts = [] if z is None else [normalised(z)]
        if self.embedding is not None:
            assert label is not None
            vector = functional.one_hot(label, self.classes).to(self.embedding.weight.dtype)
            parts.append(normalised(self.embedding(vector)))
        w = torch.cat(parts, 1)
        for layer in self.layers:
            w = activated(layer(w))
        return w

    def load(self, leaves: Leaves, path: str) -> None:
        if self.embedding is not None:
            leaves.linear(self.embedding, f"{path}/embedding")
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, EqualisedLinear)
            leaves.linear(layer, f"{path}/dense{index}")


class Generator(nn.Module):
    """`(z [B, Z], label [B] or None) -> pictures [B, C, H, W]`, float32, by way of `map` and
    `synthesise`.

    Noise is "random", the "constant" planes that were loaded, or "none".
    """

    average: Tensor

    def __init__(self, work: Work, grouped: bool = False):
        super().__init__()
        self.mapping = StyleMapping(
            work.latent_size, work.w_features, work.mapping_layers, work.classes
        )
        self.register_buffer("average", torch.zeros(work.w_features))
        self.constant = nn.Parameter(torch.randn(1, features_at(work, BASE), BASE, BASE))
        self.resolutions = nn.ModuleList(
            Resolution(work, side, grouped) for side in sides(work.size)
        )

    def forward(
        self, z: Tensor, label: Tensor | None = None, *, track: bool = True, noise: Noise = "random"
    ) -> Tensor:
        return self.synthesise(self.map(z, label, track), noise)

    def map(self, z: Tensor, label: Tensor | None = None, track: bool = True) -> Tensor:
        """`ws [B, L, W]`, all the same w of a sample; `track` moves the average w."""
        with torch.autocast(z.device.type, enabled=False):
            w = self.mapping(z, label)
        if track:
            self.average.copy_(w.detach().mean(0).lerp(self.average, AVERAGE_DECAY))
        return w[:, None].repeat(1, 2 * len(self.resolutions), 1)

    def synthesise(self, ws: Tensor, noise: Noise = "random") -> Tensor:
        """Pictures of `ws [B, L, W]`."""
        layers = ws.unbind(1)
        x, picture = self.constant.expand(len(ws), -1, -1, -1), None
        with torch.autocast(ws.device.type, enabled=False):
            for index, resolution in enumerate(self.resolutions):
                # A resolution's picture and the next one's first convolution share their w.
                first, end = (2 * index - 1, 2 * index + 2) if index else (0, 2)
                x, picture = resolution(x, picture, list(layers[first:end]), noise)
        assert picture is not None
        return picture

    def load(self, leaves: Leaves) -> None:
        self.mapping.load(leaves, "mapping/mapping")
        leaves.copy(self.average, "w_avg/mapping/w_avg")
        leaves.copy(self.constant[0], "params/synthesis/constant", 2, 0, 1)
        for resolution in self.resolutions:
            assert isinstance(resolution, Resolution)
            resolution.load(leaves)
        leaves.finish()


class Halving(nn.Module):
    """Two convolutions, the second of which halves the sides; with `residual` a 1x1 shortcut."""

    def __init__(self, work: Work, side: int):
        super().__init__()
        self.side, self.reduced, self.limit = side, reduced(work, side), limit_of(work)
        inputs, features = features_at(work, side), features_at(work, side // 2)
        residual, twice = work.architecture == "resnet", differentiated(work)
        share = sqrt(0.5) if residual else 1.0  # a sum of two keeps its variance
        self.share = share
        self.same = EqualisedConv2d(inputs, inputs, 3, gain=ROOT, padding=1, twice=twice)
        self.blur = blur(inputs, 2, twice=twice)
        self.down = EqualisedConv2d(inputs, features, 3, gain=ROOT * share, stride=2, twice=twice)
        self.downsample = downsample(inputs, twice=twice) if residual else None
        self.shortcut = None
        if residual:
            self.shortcut = EqualisedConv2d(
                inputs, features, 1, gain=share, bias=False, twice=twice
            )

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.bfloat16 if self.reduced else self.same.weight.dtype)
        limit = self.limit
        y = self.down(self.blur(activated(self.same(x), limit)))
        y = activated(y, None if limit is None else limit * self.share)
        if self.downsample is None or self.shortcut is None:
            return y
        return self.shortcut(self.downsample(x)).add_(y)

    def load(self, leaves: Leaves) -> None:
        leaves.convolution(self.same, f"{self.side}/same/convolution")
        leaves.convolution(self.down, f"{self.side}/down/convolution")
        if self.shortcut is not None:
            leaves.convolution(self.shortcut, f"{self.side}/shortcut")


def differentiated(work: Work) -> bool:
    """Whether the discriminator's gradient is part of a loss."""
    return work.r1_weight > 0 or work.r2_weight > 0


class Discriminator(nn.Module):
    """`(pictures [B, C, H, W], label [B] or None) -> logits [B]`, float32."""

    def __init__(self, work: Work):
        super().__init__()
        self.group_size, self.reduced = work.group_size, reduced(work, work.size)
        self.limit = limit_of(work)
        width, twice = features_at(work, BASE), differentiated(work)
        widest = features_at(work, work.size)
        self.from_picture = EqualisedConv2d(work.channels, widest, 1, gain=ROOT, twice=twice)
        self.blocks = nn.ModuleList(Halving(work, side) for side in sides(work.size)[:0:-1])
        self.last = EqualisedConv2d(width + 1, width, 3, gain=ROOT, padding=1, twice=twice)
        self.dense = EqualisedLinear(BASE * BASE * width, width, gain=ROOT)
        self.logit = EqualisedLinear(width, width if work.classes else 1)
        self.mapping = StyleMapping(0, width, LABEL_LAYERS, work.classes) if work.classes else None

    def forward(self, pictures: Tensor, label: Tensor | None = None) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            x = pictures.bfloat16() if self.reduced else pictures
            x = activated(self.from_picture(x), self.limit)
            for block in self.blocks:
                x = block(x)
            x = with_deviation(x.to(self.last.weight.dtype), self.group_size)
            x = activated(self.last(x), self.limit)
            x = activated(self.dense(x.permute(0, 2, 3, 1).flatten(1)))
            if self.mapping is None:
                return self.logit(x)[:, 0]
            projected = self.logit(x) * self.mapping(None, label)
            return projected.sum(1) * x.shape[1] ** -0.5

    def load(self, leaves: Leaves) -> None:
        leaves.convolution(self.from_picture, "from_picture/convolution")
        for block in self.blocks:
            assert isinstance(block, Halving)
            block.load(leaves)
        leaves.convolution(self.last, "last/convolution")
        leaves.linear(self.dense, "dense")
        leaves.linear(self.logit, "logit")
        if self.mapping is not None:
            self.mapping.load(leaves, "mapping")
        leaves.finish()


def with_deviation(x: Tensor, group_size: int) -> Tensor:
    """Appends the standard deviation over groups of samples, averaged: `[B, C + 1, H, W]`."""
    batch, _, height, width = x.shape
    groups = x.unflatten(0, (min(group_size, batch), -1))
    deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    planes = deviation.repeat(len(groups))[:, None, None, None].expand(-1, -1, height, width)
    return torch.cat([x, planes], 1)


def generator(work: Work) -> nn.Module:
    return Generator(work)


def discriminator(work: Work) -> nn.Module:
    return Discriminator(work)


def load(generator: nn.Module, discriminator: nn.Module, variables: Mapping[str, Any]) -> None:
    """Fills both from Flax's variables; raises ValueError where they do not fit."""
    assert isinstance(generator, Generator) and isinstance(discriminator, Discriminator)
    generator.load(Leaves(variables["generator"]))
    discriminator.load(Leaves(variables["discriminator"]))
