"""FIR resampling by StyleGAN2's filter (Karras et al. 2020), as depthwise convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.peers.torch_networks.convolution import Geometry, convolution

TAPS = (1.0, 3.0, 3.0, 1.0)  # symmetric, so it does not matter which way round


class Resampling(nn.Module):
    """`[B, channels, H, W]` by the filter, whose sum is `gain`; `twice` as in `convolution`.

    On a processor one filter of 4 x 4 takes half the time of one along each axis.
    """

    kernel: Tensor

    def __init__(self, channels: int, geometry: Geometry, gain: float, twice: bool):
        super().__init__()
        taps = torch.tensor(TAPS) / sum(TAPS)
        kernel = (gain * torch.outer(taps, taps)).expand(channels, 1, -1, -1)
        self.register_buffer("kernel", kernel.contiguous(), persistent=False)
        self.geometry, self.twice = geometry._replace(groups=channels), twice

    def forward(self, x: Tensor) -> Tensor:
        return convolution(x, self.kernel, None, self.geometry, twice=self.twice)


def blur(channels: int, padding: int, *, gain: float = 1.0, twice: bool) -> Resampling:
    """To `[B, C, H + 2 padding - 3, W + 2 padding - 3]`."""
    return Resampling(channels, Geometry(padding=padding), gain, twice)


def downsample(channels: int, *, twice: bool) -> Resampling:
    """To `[B, C, H / 2, W / 2]`."""
    return Resampling(channels, Geometry(stride=2, padding=1), 1.0, twice)


def upsample(channels: int, *, twice: bool) -> Resampling:
    """To `[B, C, 2H, 2W]`, of the same brightness."""
    return Resampling(channels, Geometry(stride=2, padding=1, transposed=True), 4.0, twice)
