"""StarGAN v2's generator, with and without the skips by which faces keep who they are."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.picture_normalisation import PictureNormalisation
from gan_jax.networks.starganv2.blocks import (
    HeConvolution,
    ResidualBlock,
    StyledBlock,
    check_side,
    he_init,
)
from gan_jax.networks.stylegan2.pyramid import width_at
from gan_jax.ops.resampling import blur

BOTTLENECK = 16
"""The smallest side of a feature map; half of it where there are skips."""
MASK_OF = {32: 0, 64: 1, 128: 1}
"""By the side at which there is a skip, the channel of its mask."""


class StarGANv2Generator(nn.Module):
    """`(images [B, size, size, C], style [B, S], masks or None) -> images [B, size, size,
    channels]`, float32; nothing but training keeps them in [-1, 1].

    Residual blocks down to 16 x 16 pixels, two that stay there, two of style, and styled ones up
    again. With skips it is one more each way, and nothing goes around a styled block but them:
    features of the way down at 32, 64 and 128 pixels, masked and without their low frequencies.

    masks: `[B, h, w, 2]` in [0, 1], heat-maps of landmarks, resized bilinearly. The first is for
    the skip at 32 pixels, of the whole face as published; the second for those at 64 and 128, of
    what shall stay sharp (brows, eyes, nose). Without masks skips keep all. UsageError where there
    are masks and no skips.

    Attributes:
        size: a power of two from 32 on; anything else raises UsageError.
        channels: of the picture made.
        high_pass: 0 for no skips (published for animals), else what the skips' 3x3 filter is
            divided by, 1 as published for faces.
        channel_base: features are `channel_base / resolution`, at most `channel_max`.
        channel_max: see there.
        dtype: of the computation; parameters are float32.
    """

    size: int
    channels: int = 3
    high_pass: float = 0.0
    channel_base: int = 16384
    channel_max: int = 512
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, style: Array, masks: Array | None = None, *, train: bool
    ) -> Array:
        check_side(images, self.size)
        self._check(masks)
        bottom = BOTTLENECK // 2 if self.high_pass else BOTTLENECK
        sides = [2**power for power in range(self.size.bit_length()) if bottom < 2**power]
        down = {"train": train, "normalise": True, "dtype": self.dtype}
        up = {"residual": not self.high_pass, "dtype": self.dtype}

        x = HeConvolution(self._width(self.size), dtype=self.dtype)(images)
        on_the_way_down = {}
        for side in reversed(sides):
            on_the_way_down[side] = x
            x = ResidualBlock(self._width(side // 2), down=True, **down)(x)
        for _ in range(2):
            x = ResidualBlock(x.shape[-1], **down)(x)
        for _ in range(2):
            x = StyledBlock(x.shape[-1], **up)(x, style)
        for side in sides:
            x = StyledBlock(self._width(side), up=True, **up)(x, style)
            if self.high_pass and side in MASK_OF:
                kept = on_the_way_down[side]
                if masks is not None:
                    kept *= resized(masks[..., MASK_OF[side], None], side).astype(x.dtype)
                x = x + without_low_frequencies(kept) / self.high_pass

        x = PictureNormalisation("instance_affine", train, self.dtype)(x)
        picture = Convolution(self.channels, (1, 1), kernel_init=he_init, dtype=self.dtype)
        x = picture(nn.leaky_relu(x, 0.2))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    def _width(self, side: int) -> int:
        return width_at(side, self.channel_base, self.channel_max)

    def _check(self, masks: Array | None) -> None:
        if masks is None:
            return
        if masks.shape[3:] != (2,):
            raise UsageError(f"masks of skips are [B, h, w, 2], not {list(masks.shape)}")
        if not self.high_pass:
            raise UsageError("a generator without high_pass has no skips that masks could be for")


def resized(masks: Array, side: int) -> Array:
    """`[B, h, w, C]` to `[B, side, side, C]`, bilinearly, and not smoothed before."""
    shape = (masks.shape[0], side, side, masks.shape[3])
    return jax.image.resize(masks, shape, "bilinear", antialias=False)


def without_low_frequencies(x: Array) -> Array:
    """`[B, H, W, C]` by the 3x3 filter of 8 and eight times -1, zeros around the picture."""
    return 9 * (x - blur(x, (1, 1, 1)))
