"""The augmentation pipeline of ADA (Karras et al. 2020, arXiv:2006.06676, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from gan_jax.augment.ada import band_filter, blit, color, corruption, geometric
from gan_jax.augment.ada.band_filter import BandFilter
from gan_jax.augment.ada.blit import Blit
from gan_jax.augment.ada.color import Color
from gan_jax.augment.ada.corruption import Cutout, Noise
from gan_jax.augment.ada.geometric import Geometric
from gan_jax.augment.ada.homogeneous import product
from gan_jax.augment.ada.warp import move_pixels, warp
from gan_jax.augment.names import unknown


@dataclass(frozen=True)
class AdaPipeline:
    """Groups of transforms, each with its settings; None, or all multipliers 0, leaves one out.

    The settings' defaults are the published ones. `dataclasses.replace(ada_pipeline("bgc"),
    blit=Blit(rotation_90=0.0))` leaves one transform out.
    """

    blit: Blit | None = None
    geometric: Geometric | None = None
    color: Color | None = None
    band_filter: BandFilter | None = None
    noise: Noise | None = None
    cutout: Cutout | None = None

    def __call__(self, images: Array, key: Array, p: Array | float) -> Array:
        """Augments each picture with parameters of its own, in the groups' order.

        Differentiable in `images`, any number of times. At p = 0 nothing is computed, and pictures
        come back as they were.

        Args:
            images: float `[B, H, W, C]` in [-1, 1], at least 2 × 2; what comes back may leave that
                range. Colour and noise leave an alpha channel as it is; the rest treats it alike.
            key: of all parameters.
            p: scalar in [0, 1], the probability of each transform, times its multiplier.

        Raises:
            UsageError: colours or noise of other than 1, 3 or 4 channels.
        """
        p = jnp.asarray(p)
        return lax.cond(p > 0, lambda: self._augment(images, key, p), lambda: images)

    def _augment(self, images: Array, key: Array, p: Array) -> Array:
        batch, dtype = images.shape[0], images.dtype
        keys = jax.random.split(key, 7)
        images = self._move(images, keys[0], keys[1], p)
        if self.color and self.color.active:
            drawn = color.draw(self.color, keys[2], p, batch, dtype)
            images = color.recolor(images, color.color_matrix(drawn))
        if self.band_filter and self.band_filter.active:
            drawn = band_filter.draw(self.band_filter, keys[3], p, batch, dtype)
            images = band_filter.amplify(images, band_filter.gains(drawn))
        if self.noise and self.noise.active:
            std = corruption.draw_noise(self.noise, keys[4], p, batch, dtype)
            images = corruption.add_noise(images, keys[5], std)
        if self.cutout and self.cutout.active:
            drawn = corruption.draw_cutout(self.cutout, keys[6], p, batch, dtype)
            images = corruption.cut_out(images, drawn, self.cutout.size)
        return images

    def _move(self, images: Array, blit_key: Array, geometric_key: Array, p: Array) -> Array:
        """Blitting alone copies pixels; with the geometric group both are one warp."""
        batch, height, width, _ = images.shape
        matrices = []
        if self.blit and self.blit.active:
            drawn = blit.draw(self.blit, blit_key, p, batch, images.dtype)
            matrices.append(blit.inverse(drawn, height, width))
        if self.geometric and self.geometric.active:
            drawn = geometric.draw(self.geometric, geometric_key, p, batch, images.dtype)
            matrices.append(geometric.inverse(drawn, height, width))
            return warp(images, product(matrices))
        return move_pixels(images, product(matrices)) if matrices else images


_BG = AdaPipeline(blit=Blit(), geometric=Geometric())
_BGC = replace(_BG, color=Color())
_BGCF = replace(_BGC, band_filter=BandFilter())
_BGCFN = replace(_BGCF, noise=Noise())

SETS = {
    "blit": AdaPipeline(blit=Blit()),
    "geom": AdaPipeline(geometric=Geometric()),
    "color": AdaPipeline(color=Color()),
    "filter": AdaPipeline(band_filter=BandFilter()),
    "noise": AdaPipeline(noise=Noise()),
    "cutout": AdaPipeline(cutout=Cutout()),
    "bg": _BG,
    "bgc": _BGC,
    "bgcf": _BGCF,
    "bgcfn": _BGCFN,
    "bgcfnc": replace(_BGCFN, cutout=Cutout()),
}


def ada_pipeline(name: str) -> AdaPipeline:
    """A published set of groups, at the published settings.

    Args:
        name: one group (`blit`, `geom`, `color`, `filter`, `noise`, `cutout`), or the first so many
            of them: `bg`, `bgc` (the paper's choice), `bgcf`, `bgcfn`, `bgcfnc`.

    Raises:
        UsageError: an unknown name.
    """
    if name not in SETS:
        raise unknown("ADA group set", name, SETS)
    return SETS[name]
