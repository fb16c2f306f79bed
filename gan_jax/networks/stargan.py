"""StarGAN (Choi et al. 2018): one network translates a picture to any condition; and GANimation
(Pumarola et al. 2018): the same with an attention mask, and conditions that are continuous.

How weights start is not in the papers: here it is uniform, of variance 1 / (3 · fan in), and
normal, of variance 2 / fan in (He et al. 2015), where nothing normalises: of a discriminator that
starts with the former nothing is left after five convolutions, and for 500 steps it learns nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.backbone import check_side
from gan_jax.layers.convolution import Convolution, TransposedConvolution
from gan_jax.layers.picture_normalisation import PictureNormalisation
from gan_jax.layers.pooling import nearest_upsampling
from gan_jax.networks.starganv2.blocks import StyleNormalisation

weight_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
trunk_init = nn.initializers.he_normal()
Heads = Literal["colour", "mask"]


class Translation(NamedTuple):
    """What a translator makes of pictures `[B, H, W, C]`, all float32.

    Attributes:
        images: `[B, H, W, C]` in [-1, 1].
        mask: `[B, H, W, 1]` in [0, 1], how much of the given picture is kept; None without.
        colour: `[B, H, W, C]` in [-1, 1], what is painted where it is not kept; None without.
    """

    images: Array
    mask: Array | None = None
    colour: Array | None = None


class Judgement(NamedTuple):
    """What the discriminator says, float32.

    Attributes:
        logits: `[B, h, w]`, positive for real, each of one part of the picture.
        condition: `[B, K]`, the condition that it reads off: logits of attributes or classes
            (StarGAN), or the strengths of an expression (GANimation).
    """

    logits: Array
    condition: Array


class TranslatorBlock(nn.Module):
    """`[B, H, W, C]` and the residual of two 3x3 convolutions, each `normalised`, ReLU between."""

    train: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, by: Array | None = None, who: Array | None = None) -> Array:
        def convolve(x: Array) -> Array:
            x = Convolution(
                x.shape[-1], (3, 3), use_bias=False, kernel_init=weight_init, dtype=self.dtype
            )(x)
            return normalised(x, by, who, self.train, self.dtype)

        return x + convolve(nn.relu(convolve(x)))


class StarGANTranslator(nn.Module):
    """`(images [B, H, W, C], condition [B, K] or [B, H, W, K], places [B, H, W, P] or None, who
    [B, N] or None) -> Translation`; H and W are multiples of 4. Places are maps of where the parts
    of a picture are, laid over it as more channels; who it shows scales and shifts what each
    normalisation gives, at first not at all. Neither is part of the papers' network.

    A condition is laid over the picture as more channels, a vector's numbers as constant planes.
    Each convolution is followed by instance normalisation, which would take away what a constant
    plane adds; it is the border of zeros that makes a plane visible, so no other padding will do.

    Attributes:
        channels: of the pictures made.
        width: features at full size; 2 and 4 times as many at half and quarter.
        blocks: residual blocks at a quarter of the size.
        heads: "colour" paints the whole picture (StarGAN); "mask" makes a mask beside the colours:
            `images = mask · given + (1 - mask) · colour` (GANimation). Other names raise
            UsageError.
        modulated: a condition `[B, K]` is not laid over the picture but scales and shifts what each
            normalisation gives, as in StarGAN v2, which is learnt many times sooner; no part of the
            papers' network. False for maps `[B, H, W, K]`, which no normalisation takes away.
        skips: features on the way down are added to those of their size on the way up, the heads
            see the picture itself too, whose colours normalisations take away; no part of the
            papers' network.
        mask_bound: of the mask's logits, which a tanh keeps within it: a mask that keeps all has no
            slope, and a network that finds that first never paints again. None as published.
        upsample: "transposed", 4x4 of stride 2 as published; or "resize", each pixel four times,
            then 3x3, which leaves no checkerboards. Other names raise UsageError.
        dtype: of the computation; parameters are float32.
    """

    channels: int
    width: int = 64
    blocks: int = 6
    heads: Heads = "colour"
    modulated: bool = False
    skips: bool = False
    mask_bound: float | None = None
    upsample: Literal["transposed", "resize"] = "transposed"
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self,
        images: Array,
        condition: Array,
        places: Array | None = None,
        who: Array | None = None,
        *,
        train: bool,
    ) -> Translation:
        self._check(images, condition)
        by = jnp.asarray(condition, images.dtype) if self.modulated else None
        settings = {"use_bias": False, "kernel_init": weight_init, "dtype": self.dtype}

        def activate(x: Array) -> Array:
            return nn.relu(normalised(x, by, who, train, self.dtype))

        def halve(x: Array, features: int) -> Array:
            edges = ((1, 1), (1, 1))
            return Convolution(features, (4, 4), (2, 2), padding=edges, **settings)(x)

        def double(x: Array, features: int) -> Array:
            if self.upsample == "resize":
                return Convolution(features, (3, 3), **settings)(nearest_upsampling(x))
            edges = ((2, 2), (2, 2))
            return TransposedConvolution(features, (4, 4), (2, 2), padding=edges, **settings)(x)

        def head(x: Array, features: int, name: str) -> Array:
            x = Convolution(features, (7, 7), name=name, **settings)(x)
            return x.astype(jnp.promote_types(x.dtype, jnp.float32))

        over = [] if self.modulated else [planes_of(condition, images)]
        over += [] if places is None else [places.astype(images.dtype)]
        x = jnp.concatenate([images, *over], axis=-1)
        x = activate(Convolution(self.width, (7, 7), **settings)(x))
        downward = []
        for multiple in (2, 4):
            downward.append(x)
            x = activate(halve(x, multiple * self.width))
        for _ in range(self.blocks):
            x = TranslatorBlock(train, self.dtype)(x, by, who)
        for multiple in (2, 1):
            x = activate(double(x, multiple * self.width))
            x = x + downward.pop() if self.skips else x
        x = jnp.concatenate([x, images], axis=-1) if self.skips else x
        colour = head(x, self.channels, "colour")
        colour = jnp.tanh(colour)
        if self.heads == "colour":
            return Translation(colour)
        mask = head(x, 1, "mask")
        if self.mask_bound is not None:
            mask = self.mask_bound * jnp.tanh(mask / self.mask_bound)
        mask = nn.sigmoid(mask)
        return Translation(mask * images + (1 - mask) * colour, mask, colour)

    def _check(self, images: Array, condition: Array) -> None:
        known = get_args(Heads)
        if self.heads not in known:
            raise UsageError(f"heads is one of {', '.join(known)}, not {self.heads!r}")
        if self.upsample not in ("transposed", "resize"):
            raise UsageError(f"upsample is one of transposed, resize, not {self.upsample!r}")
        height, width, channels = images.shape[1:]
        if height % 4 or width % 4 or min(height, width) < 8:
            raise UsageError(
                "StarGANTranslator halves twice: it needs sides from 8 pixels on that 4 divides, "
                f"not {height} x {width}: set data.size"
            )
        if (self.heads == "mask" or self.skips) and channels != self.channels:
            raise UsageError(
                "a mask or skips mix pictures of the same channels, not of "
                f"{channels} and {self.channels}"
            )
        if self.modulated and condition.ndim != 2:
            raise UsageError(
                f"a condition that modulates is [B, K], not {list(condition.shape)}: "
                "leave modulated at False for maps"
            )


def normalised(
    x: Array, by: Array | None, who: Array | None, train: bool, dtype: Dtype | None
) -> Array:
    """Instance normalisation, its scale and bias learnt, or made of `by` `[B, K]`; then scaled and
    shifted by `who` `[B, N]`, at first not at all. Layers of the module whose compact method calls
    this."""
    if by is None:
        x = PictureNormalisation("instance_affine", train, dtype)(x)
    else:
        x = StyleNormalisation(dtype)(x, by)
    if who is None:
        return x
    zeros = nn.initializers.zeros_init()
    both = nn.Dense(2 * x.shape[-1], kernel_init=zeros, dtype=dtype)(who)[:, None, None]
    scale, shift = jnp.split(both.astype(x.dtype), 2, axis=-1)
    return x * (1 + scale) + shift


def planes_of(condition: Array, images: Array) -> Array:
    """A condition as `[B, H, W, K]` over images `[B, H, W, C]`, in their dtype.

    Raises:
        UsageError: it is neither `[B, K]` nor `[B, H, W, K]`.
    """
    condition = jnp.asarray(condition, images.dtype)
    batch, height, width, _ = images.shape
    if condition.ndim == 2 and len(condition) == batch:
        shape = (batch, height, width, condition.shape[-1])
        return jnp.broadcast_to(condition[:, None, None], shape)
    if condition.ndim == 4 and condition.shape[:3] == images.shape[:3]:
        return condition
    raise UsageError(
        f"a condition of pictures [{batch}, {height}, {width}, …] is [{batch}, K] or "
        f"[{batch}, {height}, {width}, K], not {list(condition.shape)}"
    )


class StarGANDiscriminator(nn.Module):
    """`(images [B, size, size, C], condition [B, K] or None) -> Judgement`.

    Convolutions that halve the picture, each with LeakyReLU(0.01), nothing normalised; then a map
    of logits, and the condition from all that is left.

    Attributes:
        width: features of the first convolution; each has twice those of the one before.
        size: of the pictures; UsageError where the convolutions do not divide it.
        outputs: numbers of the condition that are read.
        conditions: K. Logits are then those of a picture under the condition given with it: to the
            map of any picture come K more, weighed by its numbers (a projection, Miyato and Koyama
            2018). 0 is the papers' network, which looks at no condition.
        layers: convolutions at most, 6 as published for 128 pixels; at least 2 x 2 pixels are
            left, so that 64 pixels have 5 and 32 have 4.
        width_max: of features; 2048 is the published network's own.
        dtype: of the computation; parameters are float32.
    """

    width: int = 64
    size: int = 128
    outputs: int = 5
    conditions: int = 0
    layers: int = 6
    width_max: int = 2048
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, condition: Array | None = None, *, train: bool) -> Judgement:
        layers = halvings(self.size, self.layers)
        check_side(images, self.size)
        x = images
        for index in range(layers):
            x = Convolution(
                min(self.width << index, self.width_max),
                (4, 4),
                strides=(2, 2),
                padding=((1, 1), (1, 1)),
                kernel_init=trunk_init,
                dtype=self.dtype,
            )(x)
            x = nn.leaky_relu(x, 0.01)
        settings = {"use_bias": False, "kernel_init": weight_init, "dtype": self.dtype}
        maps = Convolution(1 + self.conditions, (3, 3), name="logits", **settings)(x)
        logits = maps[..., 0]
        if self.conditions and condition is not None:
            weights = jnp.asarray(condition, x.dtype)
            logits = logits + jnp.einsum("bhwk,bk->bhw", maps[..., 1:], weights)
        read = Convolution(
            self.outputs, x.shape[1:3], padding="VALID", name="condition", **settings
        )(x)
        precise = jnp.promote_types(x.dtype, jnp.float32)
        return Judgement(logits.astype(precise), read[:, 0, 0].astype(precise))


def halvings(size: int, most: int) -> int:
    """How often the discriminator halves: at most so often, and to no less than 2 x 2 pixels.

    Raises:
        UsageError: the size cannot be halved so often.
    """
    count = min(most, size.bit_length() - 2)
    if count < 1 or size % 2**count:
        raise UsageError(
            f"StarGAN's discriminator cannot halve {size} pixels {max(count, 1)} times: set "
            "data.size to a power of two"
        )
    return count
