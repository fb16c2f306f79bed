"""How a discriminator's pictures are augmented: never, always, by a schedule, or adaptively."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from gan_jax.augment.adaptive import AdaptiveState, adapt, initial, observe
from gan_jax.errors import UsageError

PyTree = Any
Values = Mapping[str, Array]
Transform = Callable[[Array, Array], Array]
"""`(images [B, H, W, C], key) -> images`, differentiable."""
Pipeline = Callable[[Array, Array, Array], Array]
"""`(images [B, H, W, C], key, p []) -> images`, differentiable; p = 0 changes nothing."""


def _stays(state: PyTree, certainty: Array, values: Values) -> PyTree:
    return state


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What happens to every picture before the discriminator sees it, in all phases.

    Attributes:
        apply: `(images, key, p) -> images`.
        strength: `(state, values) -> p`, float32 `[]` in [0, 1].
        move: `(state, signs [B], values) -> state`, after each of the discriminator's turns: 1
            where it took a real picture for real, -1 where for generated.
        start: the state before the first round, () for none.
        needs: names of the recipe's values that it reads.
        pseudo: real pictures are replaced by generated ones with probability p.
        reads_logits: whether a single picture's logit must mean something.
    """

    apply: Pipeline
    strength: Callable[[PyTree, Values], Array]
    move: Callable[[PyTree, Array, Values], PyTree] = _stays
    start: PyTree = ()
    needs: tuple[str, ...] = ()
    pseudo: bool = False
    reads_logits: bool = False


def never() -> Augmentation:
    """Pictures as they are."""
    return Augmentation(_untouched, lambda state, values: jnp.zeros(()))


def always(transform: Transform) -> Augmentation:
    """Each picture through `transform`, such as DiffAugment."""
    return Augmentation(
        lambda images, key, p: transform(images, key), lambda state, values: jnp.ones(())
    )


def scheduled(pipeline: Pipeline) -> Augmentation:
    """`pipeline` at the recipe's value `augment_p` (fixed, or as its schedule has it: R3GAN)."""
    return Augmentation(pipeline, lambda state, values: values["augment_p"], needs=("augment_p",))


def adaptive(pipeline: Pipeline, *, ramp_kimg: float, interval: int = 4) -> Augmentation:
    """ADA: p rises while the discriminator is surer of real pictures than the value
    `augment_target` (0.6 as published), else falls (Karras et al. 2020a, section 3.1).

    Args:
        pipeline: such as `augment.ada`'s.
        ramp_kimg: thousands of real pictures in which p runs from 0 to 1; 500 as published, 100
            where the release goes on from other weights.
        interval: turns of the discriminator between two updates of p.
    """
    return _adaptive(pipeline, ramp_kimg, interval, pseudo=False)


def pseudo(*, ramp_kimg: float, interval: int = 4) -> Augmentation:
    """APA: generated pictures pass for real ones with a probability that moves as ADA's does (Jiang
    et al. 2021); 500 thousand pictures as published."""
    return _adaptive(_untouched, ramp_kimg, interval, pseudo=True)


def _untouched(images: Array, key: Array, p: Array) -> Array:
    return images


def _adaptive(pipeline: Pipeline, ramp_kimg: float, interval: int, pseudo: bool) -> Augmentation:
    if ramp_kimg <= 0 or interval < 1:
        raise UsageError(
            f"adaptive augmentation: ramp_kimg={ramp_kimg:g} must be above 0 and "
            f"interval={interval} at least 1"
        )

    def move(state: AdaptiveState, signs: Array, values: Values) -> AdaptiveState:
        return adapt(
            observe(state, signs),
            signs=interval * signs.size,
            images=interval * signs.size * values["replicas"],
            target=values["augment_target"],
            ramp_kimg=ramp_kimg,
        )

    return Augmentation(
        pipeline,
        strength=lambda state, values: state.p,
        move=move,
        start=initial(),
        needs=("augment_target",),
        pseudo=pseudo,
        reads_logits=True,
    )
