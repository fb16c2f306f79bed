"""A discriminator's regularisers, as an experiment lists them: `(r1(every=16), le_cam(0.99))`.

The weight of the regulariser named `r1` is the recipe's value `r1_weight`. With `every=1` it joins
the discriminator's loss; with k > 1 it is a lazy phase of its own, k times as heavy every k rounds
(Karras et al. 2020b, appendix B; the optimizer is corrected by `optimizers.lazy_adam`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from gan_jax import penalties, regularisation

PyTree = Any
Transform = Callable[[Array, Array], Array]
"""`(images [B, H, W, C], key) -> images`."""


class Judged(NamedTuple):
    """What a regulariser may use of one discriminator's round.

    Attributes:
        discriminator: `images -> logits [B]`, at the batch's labels, behind the augmentation as
            the loss drew it for real pictures; it leaves statistics alone.
        of_fakes: the same behind the generated pictures' draw, so that what the loss has said of
            them already is not worked out again.
        real: `[B, H, W, C]`.
        fake: `[B, H, W, C]`.
        real_logits: `[B]`.
        fake_logits: `[B]`.
        generator: `z -> images`, constant.
        latents: z of the fakes, `[B, Z]`.
        params: the discriminator's.
        key: its own.
    """

    discriminator: Callable[[Array], Array]
    of_fakes: Callable[[Array], Array]
    real: Array
    fake: Array
    real_logits: Array
    fake_logits: Array
    generator: Callable[[Array], Array]
    latents: Array
    params: PyTree
    key: Array


@dataclasses.dataclass(frozen=True)
class Regulariser:
    """One term of a discriminator's loss.

    Attributes:
        name: of its metric, its weight (`NAME_weight`) and its lazy phase.
        measure: `(judged, state) -> (value, state)`; the value is `[B]` or `[]`.
        every: rounds between two uses; above 1 a phase of its own.
        start: its state before the first round, () for none.
        reads_logits: whether one picture's logit must mean something by itself, which it does not
            under a relativistic loss.
    """

    name: str
    measure: Callable[[Judged, PyTree], tuple[Array, PyTree]]
    every: int = 1
    start: PyTree = ()
    reads_logits: bool = False


def _stateless(name: str, measure: Callable[[Judged], Array], every: int) -> Regulariser:
    return Regulariser(name, lambda judged, state: (measure(judged), state), every)


def r1(every: int = 1) -> Regulariser:
    """gamma/2 |grad D(x)|^2; `r1_weight` is gamma."""
    return _stateless("r1", lambda j: penalties.r1(j.discriminator, j.real), every)


def r2(every: int = 1) -> Regulariser:
    """gamma/2 |grad D(G(z))|^2; `r2_weight` is gamma."""
    return _stateless("r2", lambda j: penalties.r2(j.of_fakes, j.fake), every)


def gradient_penalty(every: int = 1) -> Regulariser:
    """WGAN-GP's; published weight 10."""
    return _stateless(
        "gradient_penalty",
        lambda j: penalties.gradient_penalty(j.discriminator, j.real, j.fake, j.key),
        every,
    )


def dragan(every: int = 1) -> Regulariser:
    """DRAGAN's; published weight 10."""
    return _stateless("dragan", lambda j: penalties.dragan(j.discriminator, j.real, j.key), every)


def zero_centred(every: int = 1) -> Regulariser:
    """0-GP's, on interpolates; published weight 100 on CIFAR-10."""
    return _stateless(
        "zero_centred",
        lambda j: penalties.zero_centred(j.discriminator, j.real, j.fake, j.key),
        every,
    )


def consistency(transform: Transform, every: int = 1) -> Regulariser:
    """CR: a real picture and its transformed copy get like logits; published weight 10."""

    def measure(j: Judged) -> Array:
        changed = j.discriminator(transform(j.real, j.key))
        return regularisation.consistency(j.discriminator(j.real), changed)

    return _stateless("consistency", measure, every)


def balanced_consistency(transform: Transform, every: int = 1) -> Regulariser:
    """bCR: CR on real and on generated pictures; published weight 10 for both halves."""

    def measure(j: Judged) -> Array:
        def half(discriminator: Callable, images: Array, key: Array) -> Array:
            changed = discriminator(transform(images, key))
            return regularisation.consistency(discriminator(images), changed)

        real_key, fake_key = jax.random.split(j.key)
        return half(j.discriminator, j.real, real_key) + half(j.of_fakes, j.fake, fake_key)

    return _stateless("balanced_consistency", measure, every)


def latent_consistency(deviation: float, every: int = 1) -> Regulariser:
    """zCR's discriminator half: G(z) and G(z + d), d ~ N(0, deviation^2), get like logits;
    published deviation 0.07 and weight 5 on CIFAR-10."""

    def measure(j: Judged) -> Array:
        near = j.latents + deviation * jax.random.normal(j.key, j.latents.shape)
        return regularisation.consistency(j.of_fakes(j.fake), j.of_fakes(j.generator(near)))

    return _stateless("latent_consistency", measure, every)


def le_cam(decay: float, every: int = 1) -> Regulariser:
    """LeCam: logits are drawn to the other kind's moving average; published decay 0.99, weight 0.3
    on CIFAR-10, switched on after 1,000 steps (`schedules.from_step`). The averages move when the
    term is measured, so every `every` rounds."""

    def measure(j: Judged, anchors: PyTree) -> tuple[Array, PyTree]:
        anchors = regularisation.moved(anchors, j.real_logits, j.fake_logits, decay)
        return regularisation.le_cam(j.real_logits, j.fake_logits, anchors), anchors

    return Regulariser("le_cam", measure, every, regularisation.Anchors(), reads_logits=True)


def orthogonality(every: int = 1) -> Regulariser:
    """|W' W * (1 - I)|^2 over the discriminator's kernels; published weight 1e-4."""
    return _stateless("orthogonality", lambda j: regularisation.orthogonality(j.params), every)
