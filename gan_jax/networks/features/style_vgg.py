"""The normalised VGG-19 of AdaIN (Huang and Belongie 2017) up to `relu4_1`.

It differs from `vgg.VGG` (Simonyan and Zisserman 2015) in a first 1x1 convolution, which holds the
colours' normalisation, in reflected in the place of zero borders, and in max pools that keep an
odd last row and column (ceil mode).
"""

from __future__ import annotations

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.networks.features.vgg import STYLE, VGG19

TAPS = STYLE[:4]
"""`relu1_1` to `relu4_1`, the first ReLU of each block."""
BLOCKS = (*VGG19[:3], 1)
MULTIPLES = (1, 2, 4, 8)


class StyleVGG(nn.Module):
    """Blocks of 3x3 convolutions with reflected borders and ReLUs, a max pool between two.

    Attributes:
        width: features of the first block; 64 in VGG-19.
        multiples: of the width, a block.
        blocks: the number of convolutions in each.
        dtype: of the computation; parameters are float32.
    """

    width: int = 64
    multiples: tuple[int, ...] = MULTIPLES
    blocks: tuple[int, ...] = BLOCKS
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Array, *, taps: tuple[str, ...] = TAPS, train: bool = False
    ) -> dict[str, Array]:
        """The features of the taps, and nothing computed beyond the last.

        Args:
            images: RGB `[B, H, W, 3]` in [-1, 1]. The published weights read [0, 1], to which they
                are brought here.
            taps: names `relu1_1`, … up to the last block's last convolution.
            train: changes nothing; taken because every network takes it.

        Returns:
            By tap, in the order of the layers: `[B, h, w, C]`, h and w halved, rounded up, by each
            pool before it.

        Raises:
            ValueError: no such tap.
            UsageError: pictures so small that a map before a tap has one row or column.
        """
        with jax.default_matmul_precision("highest"):
            x = Convolution(3, (1, 1), dtype=self.dtype, name="conv0")((images + 1.0) / 2.0)
            widths = tuple(multiple * self.width for multiple in self.multiples)
            return tapped(vgg_blocks(x, widths, self.blocks, self.dtype), self.blocks, taps)


def reflected_convolution(x: Array, features: int, name: str, dtype: Dtype | None) -> Array:
    """`[B, H, W, I]` to `[B, H, W, features]`: 3x3, the border of one pixel mirrored at the edge
    pixels; a layer of the module whose compact method calls this. Weights start as in He et al.
    2015.

    Raises:
        UsageError: one row or column, which has nothing to mirror.
    """
    if min(x.shape[1:3]) < 2:
        raise UsageError(
            f"a map of {x.shape[1]} x {x.shape[2]} has no reflection: take larger pictures"
        )
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    he = nn.initializers.he_normal()
    layer = Convolution(features, (3, 3), padding="VALID", kernel_init=he, dtype=dtype, name=name)
    return layer(x)


def vgg_blocks(
    x: Array, widths: tuple[int, ...], blocks: tuple[int, ...], dtype: Dtype | None
) -> Iterator[tuple[str, Array]]:
    """Every ReLU by its name, one after another; layers `conv1_1`, … of the calling module."""
    for block, (width, convolutions) in enumerate(zip(widths, blocks, strict=True), 1):
        if block > 1:
            # An odd size gets a last row of minus infinity: torch's ceil mode.
            x = nn.max_pool(x, (2, 2), (2, 2), padding="SAME")
        for i in range(1, convolutions + 1):
            x = nn.relu(reflected_convolution(x, width, f"conv{block}_{i}", dtype))
            yield f"relu{block}_{i}", x


def tapped(
    layers: Iterator[tuple[str, Array]], blocks: tuple[int, ...], taps: tuple[str, ...]
) -> dict[str, Array]:
    """The layers asked for; those after the last are never made.

    Raises:
        ValueError: no taps, or one that is not there.
    """
    names = [f"relu{b}_{i}" for b, count in enumerate(blocks, 1) for i in range(1, count + 1)]
    unknown = [tap for tap in taps if tap not in names]
    if unknown or not taps:
        raise ValueError(f"no taps {unknown}; there are {', '.join(names)}")
    found = {}
    for name, x in layers:
        if name in taps:
            found[name] = x
        if len(found) == len(set(taps)):
            break
    return found
