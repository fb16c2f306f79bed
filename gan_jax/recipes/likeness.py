"""How far who somebody is has moved, by the features of a frozen network: an identity loss, as
Sanchez and Valstar 2020 (GANnotation) have it by a face recogniser's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
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


def frozen_of(kinds: Iterable[Likeness]) -> dict[str, nn.Module]:
    """The frozen networks of all."""
    return {name: network for kind in kinds for name, network in kind.frozen.items()}


def likeness_by_statistics(encoder: nn.Module, tap: str) -> Likeness:
    """The statistics loss of Huang and Belongie 2017 between the features of one layer of
    `encoder(images, taps=)`: colours count, wherever in the picture they are, and what moves in it
    hardly."""

    def apart(nets: Nets, images: Array, originals: Array) -> Array:
        encode = nets.fixed("encoder")
        found, wanted = (statistics(encode(x, taps=(tap,))[tap]) for x in (images, originals))
        return statistics_loss(found, wanted)

    return Likeness({"encoder": encoder}, apart)


def likeness_by_recognition(recogniser: nn.Module) -> Likeness:
    """What `recogniser(images) -> {factor: logits [B, choices]}` reads of a picture is to be what
    it reads of the original: the Kullback-Leibler divergence of the choices' probabilities, summed
    over factors. 0 of a copy, whether it is read rightly or not."""

    def apart(nets: Nets, images: Array, originals: Array) -> Array:
        recognise = nets.fixed("recogniser")
        found, wanted = recognise(images), recognise(originals)
        divergences = [
            optax.losses.kl_divergence(
                jax.nn.log_softmax(found[name]), jax.lax.stop_gradient(jax.nn.softmax(wanted[name]))
            )
            for name in wanted
        ]
        return jnp.sum(jnp.stack(divergences), axis=0)

    return Likeness({"recogniser": recogniser}, apart)
