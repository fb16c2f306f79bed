"""Pictures as parameters: what an optimisation of pixels trains."""

from __future__ import annotations

import flax.linen as nn
from flax.typing import Dtype
from jax import Array


class Canvas(nn.Module):
    """`index int32 [B] -> [B, *shape]` of `count` pictures of free pixels, zero at first.

    Attributes:
        count: pictures.
        shape: of each.
        dtype: nothing is computed; taken because every network takes it.
    """

    count: int
    shape: tuple[int, int, int]
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, index: Array, *, train: bool) -> Array:
        pixels = self.param("pixels", nn.initializers.zeros, (self.count, *self.shape))
        return pixels[index]
