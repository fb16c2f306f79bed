"""StarGAN v2's discriminator: a logit for each domain, of which the label picks one."""

from __future__ import annotations

import flax.linen as nn
from flax.typing import Dtype
from jax import Array

from gan_jax.networks.starganv2.blocks import he_init
from gan_jax.networks.starganv2.mapping import of_domain
from gan_jax.networks.starganv2.style_encoder import PictureFeatures


class StarGANv2Discriminator(nn.Module):
    """`(images [B, size, size, C], label int32 [B]) -> logits [B]`, float32: whether each is a real
    picture of its domain.

    Attributes:
        size: a power of two from 32 on; anything else raises UsageError.
        num_domains: that a label chooses from.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        dtype: of the convolutions; parameters, and what follows them, are float32.
    """

    size: int
    num_domains: int
    channel_base: int = 16384
    channel_max: int = 512
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, label: Array, *, train: bool) -> Array:
        trunk = PictureFeatures(self.size, self.channel_base, self.channel_max, self.dtype)
        features = trunk(images, train=train)
        logits = nn.Dense(self.num_domains, kernel_init=he_init, name="domains")(features)
        return of_domain(logits[..., None], label)[:, 0]
