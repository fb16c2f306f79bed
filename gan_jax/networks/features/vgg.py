"""VGG-16, VGG-19 (Simonyan & Zisserman 2015) and AlexNet (Krizhevsky 2014) as feature networks.

They give what was asked for and compute no further. LPIPS (Zhang et al. 2018) reads `LPIPS_VGG16`
or `LPIPS_ALEXNET`, improved precision and recall (Kynkäänniemi et al. 2019) VGG-16's `fc2_relu`,
style transfer (Gatys et al. 2016) the ReLUs of VGG-19.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.layers.convolution import Convolution

VGG16 = (2, 2, 3, 3, 3)
VGG19 = (2, 2, 4, 4, 4)
LPIPS_VGG16 = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
LPIPS_ALEXNET = ("relu1", "relu2", "relu3", "relu4", "relu5")
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
DENSE = ("fc1_relu", "fc2_relu", "logits")
SIZE = 224


class VGG(nn.Module):
    """Blocks of 3×3 convolutions, each but the last followed by a max pool, then three dense
    layers, which exist for pictures of 224 pixels alone.

    Attributes:
        blocks: the number of convolutions in each of five blocks: `VGG16` or `VGG19`.
        dtype: of the computation.
    """

    blocks: tuple[int, ...] = VGG16
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, images: Array, *, taps: tuple[str, ...], train: bool = False
    ) -> dict[str, Array]:
        """The features of the taps.

        Args:
            images: `[B, H, W, 3]`, normalised as the use wants it; LPIPS, torchvision and style
                transfer differ.
            taps: of `tap_names(blocks)`.
            train: changes nothing (there is no dropout); taken because every network takes it.

        Returns:
            By tap, in the order of the layers: `relu3_1`, … are `[B, h, w, C]`, `fc1_relu` and
            `fc2_relu` `[B, 4096]`, `logits` `[B, 1000]`.

        Raises:
            ValueError: no such tap, or a dense one of pictures that are not 224 pixels a side.
        """
        _check(taps, tap_names(self.blocks))
        if set(taps) & set(DENSE) and images.shape[1:3] != (SIZE, SIZE):
            raise ValueError(f"{DENSE} want {SIZE} x {SIZE} pixels, not {images.shape[1:3]}")
        with jax.default_matmul_precision("highest"):
            return self._taps(jnp.asarray(images, self.dtype), taps)

    def _taps(self, x: Array, taps: tuple[str, ...]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for block, convolutions in enumerate(self.blocks, 1):
            for i in range(1, convolutions + 1):
                width = min(64 * 2 ** (block - 1), 512)
                name = f"conv{block}_{i}"
                x = nn.relu(Convolution(width, (3, 3), dtype=self.dtype, name=name)(x))
                if _done(found, f"relu{block}_{i}", x, taps):
                    return found
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        for name, width in (("fc1", 4096), ("fc2", 4096)):
            x = nn.relu(nn.Dense(width, dtype=self.dtype, name=name)(x))
            if _done(found, f"{name}_relu", x, taps):
                return found
        _done(found, "logits", nn.Dense(1000, dtype=self.dtype, name="fc3")(x), taps)
        return found


class AlexNet(nn.Module):
    """Its five convolutions.

    Attributes:
        dtype: of the computation.
    """

    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, images: Array, *, taps: tuple[str, ...] = LPIPS_ALEXNET, train: bool = False
    ) -> dict[str, Array]:
        """`[B, H, W, 3]`, normalised, to `[B, h, w, C]` by tap `relu1` to `relu5`.

        Raises:
            ValueError: no such tap.
        """
        _check(taps, LPIPS_ALEXNET)
        with jax.default_matmul_precision("highest"):
            return self._taps(jnp.asarray(images, self.dtype), taps)

    def _taps(self, x: Array, taps: tuple[str, ...]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        layers = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
        for i, (width, kernel, stride, pad) in enumerate(layers, 1):
            if i in (2, 3):
                x = nn.max_pool(x, (3, 3), (2, 2))
            size, strides, padding = (kernel, kernel), (stride, stride), ((pad, pad), (pad, pad))
            layer = Convolution(width, size, strides, padding, dtype=self.dtype, name=f"conv{i}")
            x = nn.relu(layer(x))
            if _done(found, f"relu{i}", x, taps):
                break
        return found


def tap_names(blocks: tuple[int, ...]) -> tuple[str, ...]:
    """Every tap of a VGG, from the picture inwards."""
    relus = (f"relu{b}_{i}" for b, count in enumerate(blocks, 1) for i in range(1, count + 1))
    return (*relus, *DENSE)


def _done(found: dict[str, Array], name: str, x: Array, taps: tuple[str, ...]) -> bool:
    """Keeps `x` if it is asked for; whether that was the last."""
    if name in taps:
        found[name] = x
    return len(found) == len(set(taps))


def _check(taps: tuple[str, ...], names: tuple[str, ...]) -> None:
    unknown = [tap for tap in taps if tap not in names]
    if unknown or not taps:
        raise ValueError(f"no taps {unknown}; there are {', '.join(names)}")
