"""What style-based generators share: mapping and synthesis, which a recipe may call apart."""

from __future__ import annotations

import flax.linen as nn
from jax import Array

from gan_jax.layers.noise import NoiseMode
from gan_jax.networks.stylegan2.pyramid import number_of_ws


class StyleGenerator(nn.Module):
    """`(z [B, Z], label [B], [B, A] or None) -> images [B, size, size, channels]`, float32.

    A subclass's `setup` makes `mapping` (an `AveragedMapping`) and `synthesis`. Real pictures are
    in [-1, 1]; nothing limits the output to that (the papers have no tanh).

    `map` and `synthesise` are methods for `apply(method=...)`. Style mixing is the recipe's: map
    two batches of z, and take `ws` of the second from a crossover in 1 … `num_ws` - 1 on. A call
    with `train=False` leaves the average w where it is.

    Attributes:
        size: 8 to 1024, a power of two; anything else raises UsageError.
    """

    size: int

    @property
    def num_ws(self) -> int:
        """L of `ws [B, L, W]`: 18 at 1024, 8 at 32."""
        return number_of_ws(self.size)

    def __call__(
        self,
        z: Array,
        label: Array | None = None,
        *,
        train: bool,
        truncation: float | Array = 1.0,
        noise: NoiseMode = "random",
    ) -> Array:
        ws = self.map(z, label, train=train, truncation=truncation)
        return self.synthesise(ws, train=train, noise=noise)

    def map(
        self,
        z: Array,
        label: Array | None = None,
        *,
        train: bool,
        truncation: float | Array = 1.0,
        cutoff: int | None = None,
    ) -> Array:
        """`ws [B, num_ws, W]`, all the same w of a sample.

        Args:
            z: `[B, Z]`, normal.
            label: classes `[B]` or attributes `[B, A]`.
            train: whether the average w moves.
            truncation: psi, 1 for none, 0 for the average w.
            cutoff: only so many first ws are truncated (StyleGAN: 8, with psi 0.7); None for all.
        """
        return self.mapping(z, label, train=train, truncation=truncation, cutoff=cutoff)

    def synthesise(self, ws: Array, *, train: bool, noise: NoiseMode = "random") -> Array:
        """Images `[B, size, size, channels]` of `ws [B, num_ws, W]`.

        Args:
            ws: a w for each layer.
            train: taken because every method of a network takes it; nothing depends on it.
            noise: "random" from the rng stream `noise`, the "constant" planes, or "none".
        """
        return self.synthesis(ws, noise)
