"""Finds a drawn face by its landmarks: a U-shaped network that makes a heat map of each.

After Newell et al. 2016, the stacked hourglass, with a single one, and Ronneberger et al. 2015, the
U-Net: the coarse maps see the whole face, the fine ones where its lines are.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import Array

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Convolution
from gan_jax.layers.pooling import nearest_upsampling

SIZE = 64
"""Pixels a side of a window with one face, as the network was trained."""
STRIDE = 4
"""Pixels between the cells of a map."""
RADIUS = 3
"""Cells around a map's largest that a point is read from."""


class LandmarkFinder(nn.Module):
    """`images [B, H, W, 3] in [-1, 1] -> logits [B, H / 4, W / 4, landmarks]`, float32; H and W are
    any multiples of 16.

    The sigmoid of a logit is how surely its landmark lies there. Two convolutions of stride 2 go
    down to a quarter of the size, two more to a sixteenth, each with a residual block; back up, the
    coarser map is added to what came down at that size.

    Attributes:
        landmarks: L.
        widths: features at a half, a quarter, an eighth and a sixteenth of the size.
        dtype: of the computation; parameters are float32.
    """

    landmarks: int = 34
    widths: tuple[int, int, int, int] = (24, 48, 64, 80)
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, *, train: bool) -> Array:
        height, width = images.shape[1:3]
        if height % 16 or width % 16 or not min(height, width):
            raise UsageError(
                f"LandmarkFinder halves four times: sides are multiples of 16 pixels, not {height} "
                f"x {width}"
            )
        half, quarter, eighth, sixteenth = self.widths
        settings = {"train": train, "dtype": self.dtype}
        x = Block(half, kernel=4, stride=2, **settings)(images)
        fine = Residual(**settings)(Block(quarter, stride=2, **settings)(x))
        middle = Residual(**settings)(Block(eighth, stride=2, **settings)(fine))
        coarse = Residual(**settings)(Block(sixteenth, stride=2, **settings)(middle))
        middle = Block(eighth, **settings)(middle + self._raised(coarse, eighth))
        fine = Block(quarter, **settings)(fine + self._raised(middle, quarter))
        bias_init = nn.initializers.constant(-4.0)  # a cell holds a given landmark but rarely
        logits = Convolution(self.landmarks, (1, 1), bias_init=bias_init, dtype=self.dtype)(fine)
        return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))

    def _raised(self, x: Array, features: int) -> Array:
        """`[B, H, W, C]` to `[B, 2H, 2W, features]`."""
        return nearest_upsampling(
            Convolution(features, (1, 1), use_bias=False, dtype=self.dtype)(x)
        )


def soft_argmax(logits: Array) -> Array:
    """Maps `[B, h, w, L]` to points `[B, L, 2]`, (x, y) in [0, 1] from the top left.

    The mean of the cells' centres under the softmax over the cells that are at most `RADIUS` rows
    and columns from the largest: how large the map is, and what else it shows, moves nothing.
    """
    batch, height, width, count = logits.shape
    flat = logits.reshape(batch, height * width, count)
    top, left = jnp.divmod(jnp.argmax(flat, axis=1), width)
    rows, columns = jnp.arange(height)[:, None, None], jnp.arange(width)[:, None]
    near = jnp.abs(rows - top[:, None, None]) <= RADIUS
    near &= jnp.abs(columns - left[:, None, None]) <= RADIUS
    heat = jax.nn.softmax(jnp.where(near.reshape(flat.shape), flat, -jnp.inf), axis=1)
    heat = heat.reshape(logits.shape)
    x = jnp.einsum("bhwl,w->bl", heat, (jnp.arange(width) + 0.5) / width)
    y = jnp.einsum("bhwl,h->bl", heat, (jnp.arange(height) + 0.5) / height)
    return jnp.stack([x, y], axis=-1)


def points_of(finder: Callable[[Array], Array], images: Array) -> Array:
    """Points `[B, L, 2]`, as `soft_argmax` has them, of faces `[B, H, W, C]` in [-1, 1] of any
    size, each a whole picture; `finder` gives the logits of pictures of `SIZE`."""
    shape = (len(images), SIZE, SIZE, images.shape[-1])
    return soft_argmax(finder(jax.image.resize(images, shape, "linear")))


def confidence(logits: Array) -> Array:
    """Maps `[B, h, w, L]` to `[B]` in [0, 1]: how sure the network is of the landmarks at their
    surest cells, on average."""
    return jnp.mean(jax.nn.sigmoid(jnp.max(logits, axis=(1, 2))), axis=-1)


class Block(nn.Module):
    """Convolution, BatchNorm, ReLU: `[B, H, W, I] -> [B, H / stride, W / stride, features]`."""

    features: int
    train: bool
    kernel: int = 3
    stride: int = 1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        edge = (self.kernel - 1) // 2
        x = Convolution(
            self.features,
            (self.kernel, self.kernel),
            (self.stride, self.stride),
            padding=((edge, edge), (edge, edge)),
            use_bias=False,
            dtype=self.dtype,
        )(x)
        return nn.relu(batch_norm(self.train, self.dtype)(x))


class Residual(nn.Module):
    """`relu(x + norm(conv(relu(norm(conv(x))))))` at the same size (He et al. 2016, figure 2)."""

    train: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]
        y = Block(features, self.train, dtype=self.dtype)(x)
        y = Convolution(features, (3, 3), use_bias=False, dtype=self.dtype)(y)
        scale = nn.initializers.zeros_init()  # a block begins as the identity
        return nn.relu(x + batch_norm(self.train, self.dtype, scale_init=scale)(y))


def batch_norm(train: bool, dtype: Dtype | None, **settings) -> nn.BatchNorm:
    """Running averages keep 0.98 of a step."""
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.98,
        epsilon=1e-5,
        use_fast_variance=False,
        dtype=dtype,
        **settings,
    )
