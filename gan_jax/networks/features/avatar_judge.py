"""The avatar judge: reads off a picture what the renderer of the avatars was told to draw.

A small residual network (He et al. 2016) on 64x64 pixels. Its features are the space of FD-avatar;
it knows nothing but the project's own avatars and is no Inception network.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from gan_jax.layers.convolution import Convolution
from gan_jax.ops.pixels import to_float

SIZE = 64
"""Pixels a side that the judge sees."""

FACTORS = (
    ("style", 4), ("skinPalette", 6), ("hairPalette", 14), ("eyePalette", 10),
    ("clothesPalette", 10), ("hairFront", 8), ("hairBack", 8), ("headwear", 7), ("eyewear", 3),
    ("clothes", 4),
)  # fmt: skip
"""The renderer's discrete parameters with the number of their choices."""


SPREAD = 0.2
"""Of a parameter, as a share of its range: about one standard deviation."""


class Readings(NamedTuple):
    """What the judge reads off `[B]` pictures.

    Attributes:
        features: `[B, D]` float32, the penultimate layer: linear in the layer before, no
            nonlinearity behind it, brought to mean 0 and variance 1 a dimension over the judge's
            training pictures. All that follows but `landmarks` is linear in them.
        expression: logits `[B, E]` of the named expressions.
        factors: logits `[B, choices]` of each discrete parameter, by its name.
        parameters: `[B, C]`, the continuous parameters in the renderer's order and last the
            expression's intensity, each as a share of its range: 0 at its low end, 1 at its high.
        landmarks: `[B, L, 2]`, (x, y) in [0, 1] from the top left.
    """

    features: Array
    expression: Array
    factors: dict[str, Array]
    parameters: Array
    landmarks: Array


def to_judge_input(images: Array) -> Array:
    """uint8 `[B, H, W, 1 or 3 or 4]` -> float32 `[B, 64, 64, 3]` in [-1, 1].

    Straight alpha is laid over white and rounded to whole levels, as the data pipeline does; grey
    is repeated; another size is brought to 64 pixels with a triangle filter, widened to shrink
    (antialiased), and is not rounded. A picture that is not square is squeezed.
    """
    pixels = images.astype(jnp.float32)
    colour, alpha = pixels[..., :3], pixels[..., 3:] / 255
    if pixels.shape[-1] == 4:
        colour = jnp.round(alpha * colour + (1 - alpha) * 255)
    colour = jnp.broadcast_to(colour, (*colour.shape[:-1], 3))
    if colour.shape[1:3] != (SIZE, SIZE):
        shape = (len(colour), SIZE, SIZE, 3)
        colour = jax.image.resize(colour, shape, "linear", antialias=True)
    return to_float(colour)


class AvatarJudge(nn.Module):
    """`images [B, 64, 64, 3] in [-1, 1], on white -> Readings`.

    BatchNorm with running averages: outside of training (`train=False`) a picture's readings do
    not depend on the others in its batch. Landmarks are expectations over heat maps of 16x16
    (Nibali et al. 2018, section 3.1); they are also handed to the features.

    Attributes:
        features: D.
        widths: channels at 32, 16 and 8 pixels.
        expressions: E.
        factors: choices of each discrete parameter.
        parameters: C.
        landmarks: L.
    """

    features: int = 192
    widths: tuple[int, int, int] = (32, 64, 96)
    expressions: int = 8
    factors: tuple[tuple[str, int], ...] = FACTORS
    parameters: int = 53
    landmarks: int = 34

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Readings:
        fine, middle, coarse = self.widths
        x = ConvolutionBlock(fine, kernel=4, stride=2, name="stem")(images, train=train)
        x = ConvolutionBlock(middle, stride=2, name="to_middle")(x, train=train)
        half = ResidualBlock(middle, name="middle")(x, train=train)
        x = ConvolutionBlock(coarse, stride=2, name="to_coarse")(half, train=train)
        whole = ResidualBlock(coarse, name="coarse")(x, train=train)

        points = self._landmarks(half, whole, train)
        x = ConvolutionBlock(32, kernel=1, name="reduce")(whole, train=train)
        x = jnp.concatenate([x.reshape(len(x), -1), points.reshape(len(x), -1)], axis=-1)
        x = nn.Dense(self.features, use_bias=False, name="features")(x)
        features = batch_norm(train, name="features_norm", use_bias=False, use_scale=False)(x)
        return Readings(
            features=features,
            expression=nn.Dense(self.expressions, name="expression")(features),
            factors={name: nn.Dense(n, name=name)(features) for name, n in self.factors},
            parameters=0.5 + SPREAD * nn.Dense(self.parameters, name="parameters")(features),
            landmarks=points,
        )

    def _landmarks(self, half: Array, whole: Array, train: bool) -> Array:
        """`[B, 16, 16, middle]` and `[B, 8, 8, coarse]` -> `[B, L, 2]`."""
        context = Convolution(48, (1, 1), use_bias=False, name="points_coarse")(whole)
        detail = Convolution(48, (1, 1), use_bias=False, name="points_middle")(half)
        x = detail + context.repeat(2, axis=1).repeat(2, axis=2)
        x = nn.relu(batch_norm(train, name="points_norm")(x))
        return expectation(Convolution(self.landmarks, (1, 1), name="points")(x))


def expectation(logits: Array) -> Array:
    """Heat maps `[B, H, W, L]` -> `[B, L, 2]`: the mean (x, y) of the pixels' centres in [0, 1]
    under the softmax over each map."""
    height, width = logits.shape[1:3]
    heat = jax.nn.softmax(logits.reshape(len(logits), height * width, -1), axis=1)
    y, x = jnp.meshgrid(
        (jnp.arange(height) + 0.5) / height, (jnp.arange(width) + 0.5) / width, indexing="ij"
    )
    centres = jnp.stack([x.reshape(-1), y.reshape(-1)], axis=-1)
    return jnp.einsum("bpl,pc->blc", heat, centres)


def batch_norm(train: bool, **settings) -> nn.BatchNorm:
    """Running averages keep 0.98 of a step."""
    return nn.BatchNorm(use_running_average=not train, momentum=0.98, **settings)


class ConvolutionBlock(nn.Module):
    """Convolution, BatchNorm, ReLU: `[B, H, W, I] -> [B, H / stride, W / stride, features]`."""

    features: int
    kernel: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        shape, strides = (self.kernel, self.kernel), (self.stride, self.stride)
        x = Convolution(self.features, shape, strides=strides, use_bias=False)(x)
        return nn.relu(batch_norm(train)(x))


class ResidualBlock(nn.Module):
    """`relu(x + norm(conv(relu(norm(conv(x))))))` at the same size (He et al. 2016, figure 2)."""

    features: int

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        y = ConvolutionBlock(self.features)(x, train=train)
        y = Convolution(self.features, (3, 3), use_bias=False)(y)
        scale = nn.initializers.zeros_init()  # a block begins as the identity
        return nn.relu(x + batch_norm(train, scale_init=scale)(y))
