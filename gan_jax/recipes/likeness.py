"""How far who somebody is has moved, by the features of a frozen network: an identity loss, as
Sanchez and Valstar 2020 (GANnotation) have it by a face recogniser's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import flax.linen as nn
from jax import Array

from gan_jax.recipe import Nets
from gan_jax.style_losses import statistics, statistics_loss


class Likeness(NamedTuple):
    """What tells people apart.

    Attributes:
        frozen: networks that `apart` calls.
        apart: `(nets, images, originals) -> [B]` of pictures `[B, H, W, C]`, at least 0.
    """

    frozen: Mapping[str, nn.Module]
    apart: Callable[[Nets, Array, Array], Array]


def likeness_by_statistics(encoder: nn.Module, tap: str) -> Likeness:
    """The statistics loss of Huang and Belongie 2017 between the features of one layer of
    `encoder(images, taps=)`: colours count, wherever in the picture they are, and what moves in it
    hardly."""

    def apart(nets: Nets, images: Array, originals: Array) -> Array:
        encode = nets.fixed("encoder")
        found, wanted = (statistics(encode(x, taps=(tap,))[tap]) for x in (images, originals))
        return statistics_loss(found, wanted)

    return Likeness({"encoder": encoder}, apart)
