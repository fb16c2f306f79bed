"""StyleGAN2's published configurations, as the ADA paper and its release name them."""

from __future__ import annotations

from typing import NamedTuple

from flax.typing import Dtype

from gan_jax.networks.stylegan2.discriminator import Architecture, StyleGAN2Discriminator
from gan_jax.networks.stylegan2.generator import StyleGAN2Generator


class Configuration(NamedTuple):
    """What one configuration fixes of the networks and of their training.

    Attributes:
        channel_base: of both networks.
        mapping_layers: of the generator.
        group_size: of the minibatch standard deviation.
        architecture: of the discriminator.
        batch_size: real pictures an update.
        learning_rate: of both Adams (betas 0 and 0.99, epsilon 1e-8), before lazy correction.
        r1_gamma: weight of R1.
        ema_kimg: half-life of the generator's average, in thousands of pictures.
        ema_rampup: the half-life is at most this share of the pictures seen; None for no limit.
        style_mixing: probability.
        path_length: weight of the path length penalty, 0 for none.
        kimg: thousands of real pictures until the end.
    """

    channel_base: int
    mapping_layers: int
    group_size: int
    batch_size: int
    learning_rate: float
    r1_gamma: float
    ema_kimg: float
    ema_rampup: float | None = None
    architecture: Architecture = "resnet"
    style_mixing: float = 0.9
    path_length: float = 2.0
    kimg: int = 25_000

    def generator(
        self, size: int, channels: int = 3, num_classes: int = 0, dtype: Dtype | None = None
    ) -> StyleGAN2Generator:
        """The generator; in half precision activations are limited to ± 256, as released."""
        return StyleGAN2Generator(
            size,
            channels,
            num_classes,
            mapping_layers=self.mapping_layers,
            channel_base=self.channel_base,
            clamp=None if dtype is None else 256.0,
            dtype=dtype,
        )

    def discriminator(
        self, size: int, num_classes: int = 0, dtype: Dtype | None = None
    ) -> StyleGAN2Discriminator:
        """The discriminator; in half precision activations are limited to ± 256, as released."""
        return StyleGAN2Discriminator(
            size,
            num_classes,
            channel_base=self.channel_base,
            architecture=self.architecture,
            group_size=self.group_size,
            clamp=None if dtype is None else 256.0,
            dtype=dtype,
        )


CONFIG_F = Configuration(32768, 8, 4, 32, 0.002, 10.0, 10.0)
"""`stylegan2`: FFHQ at 1024 (Karras et al. 2020, config F)."""
PAPER_256 = Configuration(16384, 8, 8, 64, 0.0025, 1.0, 20.0)
"""`paper256`: FFHQ and LSUN at 256 (Karras et al. 2020b)."""
PAPER_512 = Configuration(32768, 8, 8, 64, 0.0025, 0.5, 20.0)
"""`paper512`: AFHQ and BreCaHAD at 512."""
PAPER_1024 = Configuration(32768, 8, 4, 32, 0.002, 2.0, 10.0)
"""`paper1024`: MetFaces at 1024."""
CIFAR = Configuration(
    32768, 2, 32, 64, 0.0025, 0.01, 500.0, 0.05, "orig", style_mixing=0.0, path_length=0.0,
    kimg=100_000,
)  # fmt: skip
"""`cifar`: CIFAR-10 at 32, on two devices of 32 pictures each."""


def automatic(size: int, devices: int = 1) -> Configuration:
    """`auto`: the release's heuristic for own pictures of any size."""
    batch_size = max(min(devices * min(4096 // size, 32), 64), devices)
    return Configuration(
        channel_base=32768 if size >= 512 else 16384,
        mapping_layers=2,
        group_size=min(batch_size // devices, 4),
        batch_size=batch_size,
        learning_rate=0.002 if size >= 1024 else 0.0025,
        r1_gamma=0.0002 * size**2 / batch_size,
        ema_kimg=batch_size * 10 / 32,
        ema_rampup=0.05,
    )
