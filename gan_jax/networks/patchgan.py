"""PatchGAN (Isola et al. 2017, section 3.2.2 and appendix 6.1.2): a discriminator of patches.

Convolutions alone, so every logit judges the patch of the picture that it sees, and pictures of
any size will do. Weights start at N(0, 0.02), biases at 0.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.picture_normalisation import Normalisation, PictureNormalisation


class Layer(NamedTuple):
    """A convolution: features in multiples of the width (0 for the logit), kernel, stride."""

    multiple: int
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        return 1 if self.kernel == 4 else 0


def shape_of(layers: int) -> list[Layer]:
    """From the picture to the logits: `layers` of stride 2 and two of stride 1, all 4x4; without
    any of stride 2, three of 1x1, which judge single pixels.

    Raises:
        UsageError: less than none.
    """
    if layers < 0:
        raise UsageError(f"PatchGAN has 0 layers or more, not {layers}")
    if layers == 0:
        return [Layer(1, 1, 1), Layer(2, 1, 1), Layer(0, 1, 1)]
    halving = [Layer(min(2**level, 8), 4, 2) for level in range(layers)]
    return [*halving, Layer(min(2**layers, 8), 4, 1), Layer(0, 4, 1)]


def receptive_field(layers: int) -> int:
    """Side in pixels of the patch that a logit sees: 1, 16, 34, 70, 142, 286 from no layers on."""
    side = 1
    for layer in reversed(shape_of(layers)):
        side = (side - 1) * layer.stride + layer.kernel
    return side


class PatchGAN(nn.Module):
    """`(images [B, H, W, C], condition [B, H, W, K] or None) -> logits [B, h, w]`, float32.

    4x4 convolutions and LeakyReLU(0.2), normalised after all but the first and the last. A
    condition is a picture, joined in front of the images' channels. Convolutions that BatchNorm
    follows have no bias.

    Attributes:
        width: features of the first layer, 64 in the paper; eight times that at most.
        layers: of stride 2, which set the patch that a logit sees: 3 for 70 x 70 pixels, the
            paper's choice, 1 for 16 x 16, 5 for 286 x 286, 0 for single pixels.
        normalisation: of layers.picture_normalisation; "instance" in CycleGAN, "none" with a
            gradient penalty.
        dtype: of the computation; parameters are float32.
    """

    width: int = 64
    layers: int = 3
    normalisation: Normalisation = "batch"
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, condition: Array | None = None, *, train: bool) -> Array:
        shape = shape_of(self.layers)
        self._check(images, condition, shape)
        x = images
        if condition is not None:
            x = jnp.concatenate([condition, images], axis=-1)
        for index, layer in enumerate(shape):
            normalised = 0 < index < len(shape) - 1
            x = Convolution(
                layer.multiple * self.width or 1,  # the logit
                (layer.kernel, layer.kernel),
                (layer.stride, layer.stride),
                padding=((layer.padding, layer.padding),) * 2,
                use_bias=not (normalised and self.normalisation == "batch"),
                kernel_init=nn.initializers.normal(0.02),
                dtype=self.dtype,
            )(x)
            if normalised:
                x = PictureNormalisation(self.normalisation, train=train, dtype=self.dtype)(x)
            if layer.multiple:
                x = nn.leaky_relu(x, 0.2)
        return x[..., 0].astype(jnp.promote_types(x.dtype, jnp.float32))

    def _check(self, images: Array, condition: Array | None, shape: list[Layer]) -> None:
        height, width = images.shape[1:3]
        smallest = 1
        for layer in reversed(shape):
            smallest = (smallest - 1) * layer.stride + layer.kernel - 2 * layer.padding
        if min(height, width) < smallest:
            raise UsageError(
                f"PatchGAN with {self.layers} layers needs {smallest} x {smallest} pixels and got "
                f"{height} x {width}: set fewer layers or a larger data.size"
            )
        if condition is not None and condition.shape[:3] != images.shape[:3]:
            raise UsageError(
                f"PatchGAN's condition is pictures like the images {images.shape}, but is of "
                f"{condition.shape}"
            )
