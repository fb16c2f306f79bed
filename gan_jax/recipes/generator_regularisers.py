"""A generator's regularisers, as an experiment lists them: `(path_length(every=4),)`.

Named, weighted and made lazy as a discriminator's (`recipes.regularisers`); the weight of
`path_length` is the value `path_length_weight`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from gan_jax import penalties, regularisation

PyTree = Any


class Made(NamedTuple):
    """What a regulariser may use of one generator's round.

    Attributes:
        generator: `z -> images`, as trained, at the batch's labels; it leaves statistics alone.
        styles: `(z, key) -> ws [B, L, W]`, likewise; None for a generator without styles.
        synthesise: `ws -> images`, likewise.
        latents: z, `[B, Z]`.
        images: G(z), `[B, H, W, C]`.
        params: the generator's.
        key: its own.
    """

    generator: Callable[[Array], Array]
    styles: Callable[[Array, Array], Array] | None
    synthesise: Callable[[Array], Array] | None
    latents: Array
    images: Array
    params: PyTree
    key: Array


@dataclasses.dataclass(frozen=True)
class GeneratorRegulariser:
    """One term of a generator's loss.

    Attributes:
        name: of its metric, its weight (`NAME_weight`) and its lazy phase.
        measure: `(made, state) -> (value, state)`; the value is `[B]` or `[]`.
        every: rounds between two uses; above 1 a phase of its own.
        start: its state before the first round, () for none.
        needs_styles: whether it works on styles.
    """

    name: str
    measure: Callable[[Made, PyTree], tuple[Array, PyTree]]
    every: int = 1
    start: PyTree = ()
    needs_styles: bool = False


def path_length(every: int, decay: float = 0.01, batch_shrink: int = 2) -> GeneratorRegulariser:
    """StyleGAN2's path length regularisation on a `batch_shrink`-th of a batch; published weight 2,
    every 4 rounds (Karras et al. 2020b)."""

    def measure(made: Made, mean: PyTree) -> tuple[Array, PyTree]:
        assert made.styles is not None and made.synthesise is not None
        mixing_key, noise_key = jax.random.split(made.key)
        z = made.latents[: max(1, made.latents.shape[0] // batch_shrink)]
        ws = made.styles(z, mixing_key)
        return penalties.path_length(made.synthesise, ws, noise_key, mean, decay)

    return GeneratorRegulariser("path_length", measure, every, start=0.0, needs_styles=True)


def latent_sensitivity(deviation: float, every: int = 1) -> GeneratorRegulariser:
    """zCR's generator half: G(z) and G(z + d), d ~ N(0, deviation^2), are pushed apart; published
    deviation 0.07 and weight 0.5 on CIFAR-10."""

    def measure(made: Made, state: PyTree) -> tuple[Array, PyTree]:
        near = made.latents + deviation * jax.random.normal(made.key, made.latents.shape)
        return regularisation.sensitivity(made.images, made.generator(near)), state

    return GeneratorRegulariser("latent_sensitivity", measure, every)


def generator_orthogonality(every: int = 1) -> GeneratorRegulariser:
    """|W' W * (1 - I)|^2 over the generator's kernels; published weight 1e-4 (BigGAN)."""

    def measure(made: Made, state: PyTree) -> tuple[Array, PyTree]:
        return regularisation.orthogonality(made.params), state

    return GeneratorRegulariser("generator_orthogonality", measure, every)
