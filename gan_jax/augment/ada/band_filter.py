"""Image-space filtering: amplifies frequency bands at random (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gan_jax.augment.ada import draws
from gan_jax.augment.ada.axis_filter import filter_matrix, filtered
from gan_jax.augment.ada.wavelets import filter_bank

BANK = filter_bank()
EXPECTED_POWER = np.asarray([10.0, 1.0, 1.0, 1.0]) / 13.0  # of natural pictures' bands, 1/f


@dataclass(frozen=True)
class BandFilter:
    """The group's settings.

    Attributes:
        multiplier: of p, for all bands.
        bands: of p, for each band, from the lowest; 0 leaves it out.
        std: of the factor's logarithm to base 2.
    """

    multiplier: float = 1.0
    bands: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    std: float = 1.0

    @property
    def active(self) -> bool:
        return self.multiplier * max(self.bands) > 0


def draw(settings: BandFilter, key: Array, p: Array, batch: int, dtype: Any) -> Array:
    """log2 of each picture's factor for each band, `[B, 4]`."""
    keys = jax.random.split(key, len(settings.bands))
    exponents = [
        draws.normal(
            key, draws.chance(settings.multiplier * band, p), (batch,), settings.std, dtype
        )
        for key, band in zip(keys, settings.bands, strict=True)
    ]
    return jnp.stack(exponents, axis=-1)


def gains(draw: Array) -> Array:
    """The bands' amplification `[B, 4]`, from `draw`.

    Each band's factor t is applied with all four divided by the root of the power that it leaves,
    sum over bands of expected power · factor² = 1 + power (t² - 1), and the four are multiplied.
    """
    factors = jnp.exp2(draw)
    power = 1.0 + EXPECTED_POWER.astype(draw.dtype) * (jnp.square(factors) - 1.0)
    return factors / jnp.sqrt(jnp.prod(power, axis=-1, keepdims=True))


def amplify(images: Array, gains: Array) -> Array:
    """Filters rows and columns of `[B, H, W, C]`, reflected at the borders, with the bank's bands
    amplified by `gains [B, 4]`."""
    rows, columns = (
        jnp.einsum("bk,knm->bnm", gains, bands.astype(gains.dtype), precision="highest")
        for bands in (band_matrices(size) for size in images.shape[1:3])
    )
    return filtered(images, rows, columns)


def band_matrices(size: int) -> np.ndarray:
    """Each band's filter along an axis of so many pixels, `[4, size, size]`; together they are
    the identity."""
    return np.stack([filter_matrix(taps, size, size, start=-(len(taps) // 2)) for taps in BANK])
