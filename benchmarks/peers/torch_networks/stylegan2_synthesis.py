"""StyleGAN2's synthesis of pictures (Karras et al. 2020), resolution by resolution.

Modulation is in the form that the release of StyleGAN2-ADA trains with: styles scale a
convolution's input, demodulation its output. The form before it, one grouped convolution with a
kernel for each sample, is there too (`grouped`); on a processor it is the slower one.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_networks.convolution import Geometry, convolution
from benchmarks.peers.torch_networks.equalised import EqualisedLinear, activated
from benchmarks.peers.torch_networks.leaves import Leaves
from benchmarks.peers.torch_networks.resampling import blur, upsample
from benchmarks.peers.work import Work

Noise = Literal["random", "constant", "none"]
BASE = 4
MOST = 512  # features of a resolution
ROOT = sqrt(2)  # gain of an activation
REDUCED = 4  # the highest resolutions, which compute in half precision where the work does
CLAMP = 256.0  # of activations in such a work


def sides(size: int) -> list[int]:
    """4, 8, … `size`."""
    return [BASE << index for index in range((size // BASE).bit_length())]


def features_at(work: Work, side: int) -> int:
    return min(work.width // side, MOST)


def limit_of(work: Work) -> float | None:
    return CLAMP if work.precision == "bfloat16" else None


def reduced(work: Work, side: int) -> bool:
    """Whether a resolution computes in bfloat16."""
    return work.precision == "bfloat16" and side * 2**REDUCED > work.size


class StyledConvolution(nn.Module):
    """`(x [B, I, H, W], w [B, W]) -> [B, features, h, w]`: modulated 3x3 convolution, noise, bias,
    LeakyReLU; `up` doubles the sides."""

    plane: Tensor

    def __init__(self, work: Work, inputs: int, side: int, *, up: bool, grouped: bool):
        super().__init__()
        features, self.twice = features_at(work, side), work.path_length_weight > 0
        self.grouped, self.limit = grouped, limit_of(work)
        self.affine = EqualisedLinear(work.w_features, inputs, start=1.0)
        self.kernel = (
            nn.ConvTranspose2d(inputs, features, 3, stride=2, bias=False)
            if up
            else nn.Conv2d(inputs, features, 3, padding=1, bias=False)
        )
        nn.init.normal_(self.kernel.weight)
        self.geometry = Geometry(2, 0, 1, True) if up else Geometry(padding=1)
        self.blur = blur(features, 1, gain=4.0, twice=self.twice) if up else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(features))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("plane", torch.randn(side, side))

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        styles, bias = self.affine(w), (ROOT * self.bias)[:, None, None].to(x.dtype)
        if self.grouped:
            x = self._grouped(x, styles) + bias
        else:
            x, scale = self._scaled(x, styles)
            x = torch.addcmul(bias, x, scale.to(x.dtype))
        if noise != "none":
            plane = self.plane if noise == "constant" else torch.randn_like(x[:, :1])
            x = x.add_((plane * (ROOT * self.strength)).to(x.dtype))
        return activated(x, self.limit)

    def _scaled(self, x: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """The convolution of the modulated input, and what demodulates it, `[B, O, 1, 1]`."""
        weight, transposed = self.kernel.weight, self.geometry.transposed
        squares = weight.square().sum((2, 3))
        norms = styles.square() @ (squares if transposed else squares.t())
        x = x * styles[:, :, None, None].to(x.dtype)
        x = self.blur(convolution(x, weight, None, self.geometry, twice=self.twice))
        return x, ROOT * (norms + 1e-8).rsqrt()[:, :, None, None]

    def _grouped(self, x: Tensor, styles: Tensor) -> Tensor:
        batch, transposed = len(x), self.geometry.transposed
        axis = 1 if transposed else 2  # of the inputs in `[B, O, I, k, k]`
        shape = [batch, *(styles.shape[1] if n == axis else 1 for n in range(1, 5))]
        weights = self.kernel.weight * styles.view(shape)
        norms = weights.square().sum((axis, 3, 4), keepdim=True)
        weights = (ROOT * weights * (norms + 1e-8).rsqrt()).flatten(0, 1)
        joined = x.reshape(1, -1, *x.shape[2:])
        geometry = self.geometry._replace(groups=batch)
        # Of a kernel that depends on w, path lengths differentiate the weight's gradient too.
        x = convolution(joined, weights, None, geometry, twice=False)
        return self.blur(x.view(batch, -1, *x.shape[2:]))

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.linear(self.affine, f"{path}/convolution/affine")
        if isinstance(self.kernel, nn.ConvTranspose2d):
            leaves.transposed_convolution(self.kernel, f"{path}/convolution")
        else:
            leaves.convolution(self.kernel, f"{path}/convolution")
        leaves.copy(self.bias, f"params/{path}/bias")
        leaves.copy(self.strength, f"params/{path}/noise/strength")
        leaves.copy(self.plane[:, :, None], f"noise/{path}/noise/plane")


class ToPicture(nn.Module):
    """`(x [B, I, H, W], w [B, W]) -> [B, channels, H, W]`: modulated, not demodulated, 1x1."""

    def __init__(self, work: Work, inputs: int):
        super().__init__()
        self.limit = limit_of(work)
        self.affine = EqualisedLinear(work.w_features, inputs, gain=inputs**-0.5, start=1.0)
        self.kernel = nn.Conv2d(inputs, work.channels, 1, bias=False)
        nn.init.normal_(self.kernel.weight)
        self.bias = nn.Parameter(torch.zeros(work.channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        # As small as they are, a kernel for each sample costs less than a scaled input.
        kernels = self.affine(w)[:, :, None] * self.kernel.weight.flatten(1).t()
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
        pixels = torch.baddbmm(self.bias.to(x.dtype), pixels, kernels.to(x.dtype))
        picture = pixels.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return picture if self.limit is None else picture.clamp(-self.limit, self.limit)

    def load(self, leaves: Leaves, path: str) -> None:
        leaves.linear(self.affine, f"{path}/convolution/affine")
        leaves.convolution(self.kernel, f"{path}/convolution")
        leaves.copy(self.bias, f"params/{path}/bias")


class Resolution(nn.Module):
    """The styled convolutions of one side, and its picture added to the one before."""

    def __init__(self, work: Work, side: int, grouped: bool):
        super().__init__()
        self.side, self.reduced = side, side > BASE and reduced(work, side)
        features = features_at(work, side)
        inputs = features_at(work, side // 2)
        twice = work.path_length_weight > 0
        first = side == BASE
        self.up = None if first else StyledConvolution(work, inputs, side, up=True, grouped=grouped)
        self.same = StyledConvolution(work, features, side, up=False, grouped=grouped)
        self.picture = ToPicture(work, features)
        self.upsample = None if first else upsample(work.channels, twice=twice)

    def forward(
        self, x: Tensor, picture: Tensor | None, ws: list[Tensor], noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """`ws` are those of the convolutions and of the picture, `[B, W]` each."""
        *of_convolutions, of_picture = ws
        x = x.to(torch.bfloat16 if self.reduced else of_picture.dtype)
        if self.up is not None:
            x = self.up(x, of_convolutions[0], noise)
        x = self.same(x, of_convolutions[-1], noise)
        made = self.picture(x, of_picture).to(of_picture.dtype)
        if self.upsample is None:
            return x, made
        return x, self.upsample(picture) + made

    def load(self, leaves: Leaves) -> None:
        if self.up is not None:
            self.up.load(leaves, f"synthesis/{self.side}_up")
        self.same.load(leaves, f"synthesis/{self.side}_same")
        self.picture.load(leaves, f"synthesis/{self.side}_picture")
