"""The PyTorch side of `dcgan_round.py`: one round for each line on standard input.

python benchmarks/dcgan_round_torch.py torch|torch_channels_last WIDTH BATCH
"""

from __future__ import annotations

import sys

import torch
from torch import nn
from torch.nn.functional import softplus

LATENT = 100


def generator(width: int) -> nn.Module:
    layers = [nn.Linear(LATENT, 16 * 8 * width, bias=False), nn.Unflatten(1, (8 * width, 4, 4))]
    for multiple in (8, 4, 2):
        inner, outer = multiple * width, multiple * width // 2
        layers += [nn.BatchNorm2d(inner), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, 3, 4, 2, 1)]
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(width: int) -> nn.Module:
    layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for multiple in (1, 2, 4):
        inner, outer = multiple * width, 2 * multiple * width
        layers += [nn.Conv2d(inner, outer, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(outer), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 8 * width, 1), nn.Flatten(0))


def main(name: str, width: int, batch: int) -> None:
    torch.manual_seed(0)
    layout = torch.channels_last if name == "torch_channels_last" else torch.contiguous_format
    make, judge = (f(width).to(memory_format=layout) for f in (generator, discriminator))
    real = (2 * torch.rand(batch, 3, 64, 64) - 1).contiguous(memory_format=layout)
    optimizers = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (make, judge)]
    for _ in sys.stdin:
        with torch.no_grad():
            fake = make(torch.randn(batch, LATENT))
        loss = (softplus(-judge(real)) + softplus(judge(fake))).mean()
        update(optimizers[1], loss)
        judge.requires_grad_(False)
        update(optimizers[0], softplus(-judge(make(torch.randn(batch, LATENT)))).mean())
        judge.requires_grad_(True)
        print(loss.item(), flush=True)


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
